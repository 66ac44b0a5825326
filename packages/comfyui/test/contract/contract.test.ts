import { buffer } from 'node:stream/consumers';
import { newId } from '@comfy-fleet/contracts';
import { comfyUnderTest } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ComfyClient, createComfyClient, type OutputFile, OutputMissing } from '../../src/index.js';
import { failureOf, never } from '../support/client.js';
import { invertedInput, longRun, plainPicture, prefix, renamed } from './graphs.js';
import { ended, listen, run, running, submit } from './session.js';

/** A long run takes its time on a real ComfyUI. */
const LONG = 120_000;

const first = (files: readonly OutputFile[]): OutputFile => {
  const [file] = files;
  if (file === undefined) throw new Error('no picture');
  return file;
};

const isPng = (bytes: Buffer) => bytes.subarray(0, 8).toString('latin1') === '\x89PNG\r\n\x1a\n';
const sizeOf = (png: Buffer) => [png.readUInt32BE(16), png.readUInt32BE(20)];

describe.each(comfyUnderTest())('$name', ({ start, headers }) => {
  let url: string;
  let close: () => Promise<void>;
  let client: ComfyClient;

  beforeAll(async () => {
    ({ url, close } = await start());
    client = createComfyClient({ baseUrl: url, instance: 'gpu/1', headers, timeoutMs: 30_000 });
  });

  afterAll(async () => {
    client.close();
    await close();
  });

  const download = async (file: OutputFile) => buffer((await client.view(file, never())).stream);

  describe('running a graph', () => {
    it('succeeds with a picture of the requested size that can be downloaded', async () => {
      const entry = await run(client, plainPicture({ width: 72, height: 40 }));
      expect(entry.outcome).toBe('success');
      expect(entry.outputs).toHaveLength(1);
      const file = first(entry.outputs);
      expect([file.nodeId, file.subfolder, file.type]).toEqual(['2', 'contract', 'output']);
      const picture = await client.view(file, never());
      const bytes = await buffer(picture.stream);
      expect([picture.contentType, picture.bytes]).toEqual(['image/png', bytes.length]);
      expect([isPng(bytes), sizeOf(bytes)]).toEqual([true, [72, 40]]);
    });

    it('reports when it began and ended, in this order', async () => {
      const { startedAt = 0, endedAt = 0 } = await run(client, plainPicture());
      expect(startedAt).toBeGreaterThan(Date.UTC(2020, 0));
      expect(endedAt).toBeGreaterThanOrEqual(startedAt);
    });

    it('writes a file for every picture of a batch, in order', async () => {
      const { outputs } = await run(client, plainPicture({ batch: 3 }));
      const names = outputs.map(({ filename }) => filename);
      expect(names).toEqual([1, 2, 3].map((n) => expect.stringMatching(new RegExp(`_0000${n}_\\.png$`))));
    });

    it('returns previews as temporary pictures, not as outputs', async () => {
      const graph = { ...plainPicture(), '2': { class_type: 'PreviewImage', inputs: { images: ['1', 0] } } };
      const entry = await run(client, graph);
      expect([entry.outcome, entry.outputs]).toEqual(['success', []]);
      expect(first(entry.temporary).type).toBe('temp');
      expect(isPng(await download(first(entry.temporary)))).toBe(true);
    });

    it('scales a picture', async () => {
      const scale = { image: ['1', 0], upscale_method: 'lanczos', width: 32, height: 16, crop: 'center' };
      const graph = {
        ...plainPicture(),
        '2': { class_type: 'ImageScale', inputs: scale },
        '3': { class_type: 'SaveImage', inputs: { images: ['2', 0], filename_prefix: prefix() } },
      };
      const entry = await run(client, graph);
      expect(sizeOf(await download(first(entry.outputs)))).toEqual([32, 16]);
    });

    it('answers an identical graph from the cache with the old file', async () => {
      const graph = plainPicture();
      const { outputs } = await run(client, graph);
      const listener = await listen(url, headers);
      const again = await submit(client, graph, listener.socket.clientId);
      const entry = await ended(client, again);
      expect([entry.outcome, entry.outputs]).toEqual(['success', outputs]);
      expect(await listener.heard('cached', again)).toMatchObject({ nodes: expect.arrayContaining(['1', '2']) });
    });

    it('runs the same graph again when only the name of the file differs', async () => {
      const graph = plainPicture({ color: 77 });
      const other = renamed(graph);
      const [one, two] = [await run(client, graph), await run(client, other)];
      expect(first(two.outputs).filename).not.toBe(first(one.outputs).filename);
      expect(isPng(await download(first(two.outputs)))).toBe(true);
    });

    it('fails at the node that raises, without paths of the server', async () => {
      const text = Buffer.from(`no picture ${newId()}`);
      const name = await client.upload(`${newId()}.png`, text, { bytes: text.length, signal: never() });
      const entry = await run(client, invertedInput(name));
      expect(entry.outcome).toBe('error');
      expect(entry.error?.code).toBe('node_execution_error');
      expect(entry.error?.nodeId).toBe('1');
      expect(entry.error?.detail).toMatch(/^LoadImage 1 failed: \S/);
      expect(entry.error?.detail).not.toMatch(/[\\/]input[\\/]/);
    });
  });

  describe('refusing a graph', () => {
    const refusal = (graph: Parameters<typeof run>[1]) => failureOf(submit(client, graph));

    it('names an unknown node class', async () => {
      const error = await refusal({ ...plainPicture(), '9': { class_type: 'NoSuchNode', inputs: {} } });
      expect([error.code, error.nodeId]).toEqual(['workflow_rejected', '9']);
      expect(error.detail).toMatch(/^NoSuchNode 9 is of a class that this ComfyUI does not have/);
    });

    it('names every value out of range and every missing input, in a fixed order', async () => {
      const { '2': save } = plainPicture();
      if (save === undefined) throw new Error('no SaveImage');
      const error = await refusal({
        '1': { class_type: 'EmptyImage', inputs: { width: 0, height: 100_000, color: 0 } },
        '2': save,
      });
      expect([error.code, error.nodeId]).toEqual(['workflow_rejected', '1']);
      expect(error.errors).toEqual([
        { pointer: '/nodes/1/batch_size', detail: 'batch_size is missing at EmptyImage 1' },
        { pointer: '/nodes/1/height', detail: 'height 100000 is above 16384 at EmptyImage 1' },
        { pointer: '/nodes/1/width', detail: 'width 0 is below 1 at EmptyImage 1' },
      ]);
    });

    it('lists the options when a value is none of them', async () => {
      const scale = { image: ['1', 0], upscale_method: 'nope', width: 32, height: 16, crop: 'center' };
      const error = await refusal({
        ...plainPicture(),
        '2': { class_type: 'ImageScale', inputs: scale },
        '3': { class_type: 'SaveImage', inputs: { images: ['2', 0], filename_prefix: prefix() } },
      });
      expect(error.detail).toMatch(/^upscale_method 'nope' is unknown at ImageScale 2; known: .*\blanczos\b/);
    });

    it('reports which value has the wrong type', async () => {
      const error = await refusal({
        ...plainPicture(),
        '1': { class_type: 'EmptyImage', inputs: { width: 'wide', height: 64, batch_size: 1, color: 0 } },
      });
      expect(error.detail).toBe("width 'wide' is not a whole number at EmptyImage 1");
    });

    it('names an input picture that does not exist', async () => {
      const name = `${newId()}.png`;
      const error = await refusal(invertedInput(name));
      expect([error.nodeId, error.detail]).toEqual(['1', `image: Invalid image file: ${name} at LoadImage 1`]);
    });

    it('names a link to a node that does not exist', async () => {
      const error = await refusal({
        '1': { class_type: 'ImageInvert', inputs: { image: ['99', 0] } },
        '2': { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: prefix() } },
      });
      expect(error.detail).toBe('image of ImageInvert 1 is linked to node 99, which is not in the workflow');
    });

    it('names the circle when links form one', async () => {
      const error = await refusal({
        '1': { class_type: 'ImageInvert', inputs: { image: ['1', 0] } },
        '2': { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: prefix() } },
      });
      expect(error.detail).toBe('the nodes form a circle: ImageInvert 1 → ImageInvert 1');
    });

    it('reports that there is no output node', async () => {
      const error = await refusal({ '1': plainPicture()['1'] ?? { class_type: '', inputs: {} } });
      expect(error.detail).toBe('the workflow has no output node, such as SaveImage');
    });

    it('receives all digits of a seed beyond 2^53', async () => {
      const sampling = { steps: 1, cfg: 1, sampler_name: 'euler', scheduler: 'normal', denoise: 1 };
      const link = ['1', 0];
      const error = await refusal({
        ...plainPicture(),
        '2': {
          class_type: 'KSampler',
          inputs: {
            ...sampling,
            seed: 2n ** 64n + 1n,
            model: link,
            positive: link,
            negative: link,
            latent_image: link,
          },
        },
        '3': { class_type: 'VAEDecode', inputs: { samples: ['2', 0], vae: link } },
        '4': { class_type: 'SaveImage', inputs: { images: ['3', 0], filename_prefix: prefix() } },
      });
      expect(error.errors).toContainEqual({
        pointer: '/nodes/2/seed',
        detail: 'seed 18446744073709551617 is above 18446744073709551615 at KSampler 2',
      });
    });
  });

  describe('queue', () => {
    it('runs in order, deletes waiting prompts without a trace, and interrupts only the named prompt', {
      timeout: LONG,
    }, async () => {
      const long = await submit(client, longRun());
      const deleted = await submit(client, plainPicture());
      const kept = await submit(client, plainPicture());
      const last = await submit(client, plainPicture());
      await running(client, long);
      expect(await client.queue(never())).toEqual({ running: [long], pending: [deleted, kept, last] });
      expect(await client.find(kept, never())).toEqual({ state: 'pending' });

      await client.deleteQueued([deleted, newId()], never());
      expect(await client.find(deleted, never())).toEqual({ state: 'absent' });
      await client.interrupt(kept, never());
      await client.deleteQueued([long], never());
      expect(await client.find(long, never())).toEqual({ state: 'running' });

      await client.interrupt(long, never());
      const entry = await ended(client, long);
      expect([entry.outcome, entry.error, entry.outputs]).toEqual(['interrupted', undefined, []]);
      const [second, third] = [await ended(client, kept), await ended(client, last)];
      expect([second.outcome, third.outcome]).toEqual(['success', 'success']);
      expect(second.endedAt ?? 0).toBeLessThanOrEqual(third.startedAt ?? 0);
      expect(await client.find(deleted, never())).toEqual({ state: 'absent' });
    });

    it('has an unknown prompt as absent, and as undefined in the history', async () => {
      const promptId = newId();
      expect(await client.find(promptId, never())).toEqual({ state: 'absent' });
      expect(await client.history(promptId, never())).toBeUndefined();
    });
  });

  describe('pictures', () => {
    it('stores the same bytes under one name, and other bytes of that name under another', async () => {
      const name = `${newId()}.png`;
      const [red, blue] = [
        await download(first((await run(client, plainPicture({ color: 0xff0000 }))).outputs)),
        await download(first((await run(client, plainPicture({ color: 0x0000ff }))).outputs)),
      ];
      const upload = (bytes: Buffer) => client.upload(name, bytes, { bytes: bytes.length, signal: never() });
      expect(await upload(red)).toBe(name);
      expect(await upload(red)).toBe(name);
      const other = await upload(blue);
      expect(other).not.toBe(name);
      const entry = await run(client, invertedInput(other));
      expect(sizeOf(await download(first(entry.outputs)))).toEqual([64, 48]);
    });

    it('throws OutputMissing for a file that does not exist', async () => {
      const file = { nodeId: '1', filename: `${newId()}.png`, subfolder: '', type: 'output' };
      expect(await failureOf(client.view(file, never()))).toBeInstanceOf(OutputMissing);
    });

    it('is comfyui_error for a name outside the folder', async () => {
      const file = { nodeId: '1', filename: '../x.png', subfolder: '', type: 'output' };
      const error = await failureOf(client.view(file, never()));
      expect([error.code, error instanceof OutputMissing]).toEqual(['comfyui_error', false]);
    });
  });

  describe('the instance', () => {
    it('reports its version, memory and devices', async () => {
      const stats = await client.systemStats(never());
      expect(stats.version).toMatch(/^\d+\.\d+/);
      expect(stats.ramTotal).toBeGreaterThan(0);
      expect(stats.devices[0]?.vramTotal).toBeGreaterThan(0);
    });

    it('reports its node classes and their options', async () => {
      const info = await client.objectInfo(never());
      expect([...info.classes]).toEqual(expect.arrayContaining(['EmptyImage', 'LoadImage', 'SaveImage', 'KSampler']));
      expect(info.choices('ImageScale', 'upscale_method')).toContain('lanczos');
      expect(info.choices('KSamplerSelect', 'sampler_name')).toContain('euler_ancestral');
      expect(info.choices('EmptyImage', 'width')).toBeUndefined();
    });

    it('accepts the order to free its memory', async () => {
      await expect(client.free({ unloadModels: true, freeMemory: true }, never())).resolves.toBeUndefined();
      expect((await run(client, plainPicture())).outcome).toBe('success');
    });
  });

  describe('the socket', () => {
    it('reports a run from start to end, in order, only to the client that submitted it', async () => {
      const [listener, outsider] = [await listen(url, headers), await listen(url, headers)];
      const promptId = await submit(client, plainPicture(), listener.socket.clientId);
      await listener.heard('idle', promptId);
      const heard = listener.events.filter((event) => 'promptId' in event && event.promptId === promptId);
      expect(heard.map(({ type }) => type).filter((type) => type !== 'progress_state')).toEqual([
        ...['started', 'cached', 'node', 'node', 'output', 'succeeded', 'idle'],
      ]);
      expect(heard.filter(({ type }) => type === 'node')).toMatchObject([{ node: '1' }, { node: '2' }]);
      const entry = await ended(client, promptId);
      expect(await listener.heard('output', promptId)).toMatchObject({ node: '2', files: entry.outputs });
      expect(new Set(outsider.events.map(({ type }) => type))).toEqual(new Set(['queue']));
    });

    it('first reports how many prompts wait and run', { timeout: LONG }, async () => {
      const long = await submit(client, longRun());
      await running(client, long);
      await submit(client, plainPicture());
      const { events } = await listen(url, headers);
      expect(events[0]).toEqual({ type: 'queue', remaining: 2 });
      await client.interrupt(long, never());
      await ended(client, long);
    });

    it('names cached nodes right after the beginning, before any other node', async () => {
      const listener = await listen(url, headers);
      const graph = plainPicture();
      await run(client, graph);
      const promptId = await submit(client, renamed(graph), listener.socket.clientId);
      await listener.heard('idle', promptId);
      const heard = listener.events.filter((event) => 'promptId' in event && event.promptId === promptId);
      expect(heard.slice(0, 2)).toMatchObject([{ type: 'started' }, { type: 'cached', nodes: ['1'] }]);
    });

    it('has the history entry when the socket reports the end', async () => {
      const listener = await listen(url, headers);
      for (let round = 0; round < 20; round += 1) {
        const promptId = await submit(client, plainPicture(), listener.socket.clientId);
        await listener.heard('idle', promptId);
        expect((await client.history(promptId, never()))?.outcome).toBe('success');
      }
    });

    it('reports a failure and an interrupt', { timeout: LONG }, async () => {
      const listener = await listen(url, headers);
      const text = Buffer.from(`no picture ${newId()}`);
      const name = await client.upload(`${newId()}.png`, text, { bytes: text.length, signal: never() });
      const failing = await submit(client, invertedInput(name), listener.socket.clientId);
      expect(await listener.heard('failed', failing)).toMatchObject({ promptId: failing });
      await listener.heard('idle', failing);
      const error = { code: 'node_execution_error', nodeId: '1' };
      expect(await client.history(failing, never())).toMatchObject({ outcome: 'error', error });
      const long = await submit(client, longRun(), listener.socket.clientId);
      await listener.heard('node', long);
      await client.interrupt(long, never());
      expect(await listener.heard('interrupted', long)).toMatchObject({ promptId: long });
    });

    it('has a separate client id for each of two sockets', async () => {
      const [one, two] = [await listen(url, headers), await listen(url, headers)];
      expect(one.socket.clientId).not.toBe(two.socket.clientId);
    });
  });
});
