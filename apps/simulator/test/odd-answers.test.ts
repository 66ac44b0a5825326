import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Json, type JsonObject, writeJson } from '../src/python.js';
import type { ComfyVersion } from '../src/settings.js';
import { ask } from './client.js';
import { plainImage, textToImage } from './graphs.js';
import { ending, filesOf, Running } from './running.js';

const ID = '0198c0de-0000-7000-8000-00000000000a';
const OTHER = '0198c0de-0000-7000-8000-00000000000b';
/** A prompt that runs longer than any test looks. */
const LONG = textToImage({ steps: 5000 });

let running: Running;
const begin = async (version: ComfyVersion) => {
  running = await Running.start({ version, stepMs: 20 });
};
afterEach(() => running.close());

const post = (body: JsonObject) => ask(running.simulator.url, 'POST', '/prompt', writeJson(body));
const untilRunning = (id: string) =>
  running.listener.until(() =>
    running.listener.texts('execution_start').some(({ data }) => (data as JsonObject).prompt_id === id),
  );

describe('replacements of old nodes in 0.33.0', () => {
  beforeEach(() => begin('0.33.0'));

  const old = (more: JsonObject): JsonObject => ({
    '1': { class_type: 'T2IAdapterLoader', inputs: { t2i_adapter_name: 'control_canny.safetensors' }, ...more },
    '2': { class_type: 'PreviewAny', inputs: { source: ['1', 0] } },
  });

  it('are listed as recorded', async () => {
    const table = await running.get('/node_replacements');
    expect(Object.keys(table)).toHaveLength(8);
    expect(table.T2IAdapterLoader).toEqual([
      {
        new_node_id: 'ControlNetLoader',
        old_node_id: 'T2IAdapterLoader',
        old_widget_ids: null,
        input_mapping: [{ new_id: 'control_net_name', old_id: 't2i_adapter_name' }],
        output_mapping: null,
      },
    ]);
  });

  it('run an old node with a title under its new name', async () => {
    const entry = await running.run(old({ _meta: { title: 'Adapter' } }));
    expect(ending(entry)[0]).toBe('execution_success');
    expect(((entry.prompt as Json[])[2] as JsonObject)['1']).toEqual({
      inputs: { control_net_name: 'control_canny.safetensors' },
      class_type: 'ControlNetLoader',
      _meta: { title: 'Adapter' },
    });
  });

  it('answer 500 for an old node without a title', async () => {
    const { status, bytes } = await post({ prompt: old({}) });
    expect([status, bytes.toString()]).toEqual([500, '500 Internal Server Error\n\nServer got itself in trouble']);
  });
});

describe('/api/jobs', () => {
  beforeEach(() => begin('0.33.0'));

  it('cancels only the running prompt if a waiting one has the same id', async () => {
    await running.submit(LONG, { prompt_id: ID });
    await untilRunning(ID);
    await running.submit(plainImage(1), { prompt_id: ID });
    const { bytes } = await ask(running.simulator.url, 'POST', `/api/jobs/${ID}/cancel`);
    expect(bytes.toString()).toBe('{"cancelled": true}');
    await running.listener.until(() => running.listener.texts('execution_interrupted').length === 1);
    await running.listener.until(() => running.listener.texts('execution_success').length === 1);
  });

  it('answers 500 while any prompt has an extra_pnginfo that is not an object', async () => {
    const list = async () => (await ask(running.simulator.url, 'GET', '/api/jobs')).status;
    await running.run(plainImage(1));
    expect(await list()).toBe(200);
    await running.submit(LONG, { prompt_id: ID });
    await untilRunning(ID);
    await running.submit(plainImage(2), { prompt_id: OTHER, extra_data: { extra_pnginfo: 'text' } });
    expect(await list()).toBe(500);
    await ask(running.simulator.url, 'POST', '/queue', writeJson({ delete: [OTHER] }));
    expect(await list()).toBe(200);
  });
});

describe.each(['0.3.64', '0.33.0'] as const)('%s', (version) => {
  beforeEach(() => begin(version));

  it('answers 500 to a second prompt with the same id and number, but queues it', async () => {
    await running.submit(LONG);
    await running.listener.until(() => running.listener.texts('execution_start').length === 1);
    const twice = (colour: number) => post({ prompt: plainImage(colour), prompt_id: ID, number: 7, client_id: 'me' });
    expect([(await twice(1)).status, (await twice(2)).status]).toEqual([200, 500]);
    expect((await running.get('/queue')).queue_pending).toHaveLength(2);
    await ask(running.simulator.url, 'POST', '/interrupt');
    await running.listener.until(() => running.listener.texts('execution_success').length === 2);
  });

  it.each(['bytes=0-1,4-5', 'lines=0-1', 'bytes=-', 'bytes=a-b'])(
    'answers the range %s of /view with 416 and an empty body',
    async (range) => {
      const [file] = filesOf(await running.run(plainImage(1)));
      const path = `/view?filename=${file}`;
      const got = await ask(running.simulator.url, 'GET', path, '', { Range: range });
      expect([got.status, got.bytes.length]).toEqual([416, 0]);
      const one = await ask(running.simulator.url, 'GET', path, '', { Range: 'bytes=1-3' });
      expect([one.status, one.bytes.toString()]).toEqual([206, 'PNG']);
    },
  );
});
