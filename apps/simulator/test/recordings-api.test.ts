import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Json, type JsonObject, toNumber, writeJson } from '../src/python.js';
import { ask, askJson } from './client.js';
import { putPicture, putTruncatedPicture, textToImage } from './graphs.js';
import { asObject } from './recording.js';
import { type Replay, replaySuite } from './replay.js';

replaySuite('0.3.64', 'prompt', {
  send: (_replay, exchange, simulator) =>
    exchange.name === 'body of 101 MiB'
      ? ask(simulator.url, 'POST', '/prompt', Buffer.alloc(101 * 1024 * 1024, 'x')).then((got) => {
          expect(got.status).toBe(413);
          expect(got.headers['content-type']).toBe('text/plain; charset=utf-8');
          expect(got.bytes.toString()).toMatch(/^Maximum request body size 104857600 exceeded, actual body size \d+$/);
        })
      : undefined,
});
replaySuite('0.33.0', 'prompt-changed');
replaySuite('0.33.0', 'prompt-id');
replaySuite('0.33.0', 'prompt-more');
replaySuite('0.33.0', 'new-input-kinds');

const untilIdle = (replay: Replay) => replay.untilIdle();
const whole = 'the recording has only the size of the answer';

replaySuite('0.3.64', 'info', {
  notReproduced: { 'object_info (all nodes)': whole },
  before: { 'history?max_items=2 (of 3)': untilIdle },
});
replaySuite('0.33.0', 'info-changed', {
  notReproduced: { 'object_info (all nodes)': whole },
  before: { 'history?max_items=1&offset=0': untilIdle },
});
replaySuite('0.33.0', 'origin');

replaySuite('0.3.64', 'history', {
  setup: async (_replay, simulator) => {
    writeFileSync(join(simulator.dir, 'input', 'text.png'), 'this is not a picture\n');
    await putTruncatedPicture(simulator, 'input/corrupt.png');
    await putPicture(simulator, 'input/primer.png');
  },
  primed: [
    'submit img2img, input is a text file named .png (passes validation)',
    'submit a graph with a good output and one that raises (4x4 picture into VAEEncode)',
    'submit a long run',
  ],
});
replaySuite('0.3.64', 'no-client-id', { primed: ['submit without client_id'] });

replaySuite('0.3.64', 'extra-data-and-order', {
  settings: { stepMs: 20 },
  primed: ['extra_data with several keys'],
  before: {
    'submit A plain': async (replay, _simulator, exchange) => {
      await replay.untilIdle();
      await replay.startFromQueue(exchange);
    },
  },
  // Prompts with the same number run in the order of their ids, so the recorded ids must be kept.
  send: (replay, exchange) => {
    if (!/^submit [A-K] /.test(exchange.name)) return undefined;
    const id = asObject(exchange.response?.body).prompt_id ?? null;
    const body = writeJson({ ...asObject(exchange.request?.body), prompt_id: id });
    return replay.check(exchange, Buffer.from(body)).then(() => undefined);
  },
  observe: async (replay, exchange, simulator) => {
    if (exchange.order === undefined) return;
    await replay.untilIdle();
    const ran = Object.values(await askJson(simulator.url, 'GET', '/history')) as JsonObject[];
    const numbers = ran.map(({ prompt }) => toNumber((prompt as Json[])[0]));
    const recorded = (exchange.order as Json[][]).map(([number]) => toNumber(number));
    // The counter has another value here, so only the order of the numbers is compared.
    const kinds = (row: number[]) => row.map((number, at) => row.filter((other) => other < number).length * 100 + at);
    expect(kinds(numbers.slice(-recorded.length))).toEqual(kinds(recorded));
  },
});

replaySuite('0.33.0', 'extra-data', {
  // The recording does not have the header.
  send: (replay, exchange) =>
    exchange.name.includes('that header') || exchange.name.startsWith('header Comfy-Usage-Source')
      ? replay.check(exchange, undefined, { 'Comfy-Usage-Source': 'my-client' }).then(() => undefined)
      : undefined,
});

const aRace = 'the progress of the server at that moment depends on milliseconds';
const durations = 'sorts by duration, and prompts take other times in the simulator';

replaySuite('0.3.64', 'control', {
  primed: ['submit right after it'],
  before: {
    'history delete of a finished one': async (replay, simulator) => {
      await ask(simulator.url, 'POST', '/interrupt');
      await replay.untilIdle();
    },
    'free while running': (replay) => replay.startFromLater('the run goes on and ends well'),
  },
});
replaySuite('0.3.64', 'control-more', {
  settings: { modelLoadMs: 100 },
  before: {
    'interrupt while the checkpoint is being loaded': (replay) =>
      replay.startFromLater('history: interrupted at the node after it'),
    'history: the two keys are gone': (_replay, simulator) =>
      ask(simulator.url, 'POST', '/interrupt').then(() => undefined),
  },
});
replaySuite('0.33.0', 'jobs', {
  settings: { stepMs: 20 },
  setup: (_replay, simulator) => writeFileSync(join(simulator.dir, 'input', 'text.png'), 'this is not a picture\n'),
  notReproduced: {
    'job by id at once: may still be in_progress': aRace,
    'jobs?sort_by=execution_duration': durations,
    'jobs?sort_by=EXECUTION_DURATION&sort_order=ASC': durations,
    'jobs at the end, by duration': durations,
  },
  before: {
    'cancel the running one by a batch': async (replay) => {
      await replay.untilIdle();
      const id = '15b8f2a9-de4b-4a05-be16-fc39535107cc';
      await replay.submit(id, textToImage({ seed: 81_002, steps: 80 }), { client_id: 'client-j' });
      await replay.untilRunning(id);
    },
    'after POST /interrupt: also status cancelled': async (replay, simulator) => {
      await replay.untilIdle();
      await replay.startFromLater('after POST /interrupt: also status cancelled');
      await ask(simulator.url, 'POST', '/interrupt');
    },
  },
});
replaySuite('0.33.0', 'jobs-after-restart');
