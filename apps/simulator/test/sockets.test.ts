import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { isObject, type Json, type JsonObject } from '../src/python.js';
import type { ComfyVersion, SimulatorSettings } from '../src/settings.js';
import { type Simulator, startSimulator } from '../src/simulator.js';
import { ask, askJson, Listener } from './client.js';
import { Names, normalised } from './compare.js';
import { plainImage, primerFor, putPicture, textToImage } from './graphs.js';
import { asObject, socketRecording } from './recording.js';

let simulator: Simulator;
let listeners: Listener[] = [];

afterEach(async () => {
  for (const { socket } of listeners) socket.terminate();
  listeners = [];
  await simulator.close();
});

async function start(version: ComfyVersion, settings: Partial<SimulatorSettings> = {}): Promise<void> {
  simulator = await startSimulator({ version, stepMs: 2, ...settings });
}

async function listen(clientId: string): Promise<Listener> {
  const listener = new Listener(simulator.url, clientId);
  listeners.push(listener);
  return listener.open();
}

async function submit(prompt: JsonObject, clientId?: string): Promise<string> {
  const answer = await askJson(simulator.url, 'POST', '/prompt', {
    prompt,
    ...(clientId === undefined ? {} : { client_id: clientId }),
  });
  return String(answer.prompt_id);
}

/**
 * Runs a prompt that leaves only these nodes of the graph in the cache. Sockets that open later get no frames of it.
 */
async function prime(graph: JsonObject, cached: readonly string[]): Promise<void> {
  const helper = new Listener(simulator.url, 'primer');
  await helper.open();
  await helper.untilEndOf(await submit(primerFor(graph, cached), 'primer'));
  await helper.close();
}

/** Compares the frames of a listener with a recording, with ids mapped and times and file numbers ignored. */
function compare(
  listener: Pick<Listener, 'frames'>,
  version: ComfyVersion,
  file: string,
  ids: Record<string, string>,
  skip = 0,
): void {
  const { meta, frames } = socketRecording(version, file);
  const names = new Names();
  for (const [key, id] of Object.entries(ids)) names.tie(String(meta[key]), id);
  const recorded = frames.flatMap((line) => {
    if (!isObject(line)) return [];
    if (line.frame !== undefined) return [line.frame];
    return line.binary === undefined ? [] : [`binary ${String(line.binary)}`];
  });
  const got = listener.frames
    .slice(skip)
    .map((frame): Json => (Buffer.isBuffer(frame) ? `binary ${frame.subarray(0, 8).toString('hex')}` : frame));
  expect(got.map((frame) => shown(frame, names.recorded))).toEqual(recorded.map((frame) => shown(frame)));
}

function shown(frame: Json, names?: (text: string) => string): string {
  // The head contains the length of the metadata. It is the same everywhere, because ids have the same length.
  if (typeof frame === 'string') return frame;
  const { type, data } = asObject(frame);
  const text = JSON.stringify(normalised({ type: type ?? null, data: data ?? null }, names));
  return text.replace(/_\d{5}_\.png/g, '_<number>_.png');
}

describe.each(['0.3.64', '0.33.0'] as const)('the frames of version %s', (version) => {
  it('equal the recording for a text2img with nothing cached', async () => {
    await start(version);
    const listener = await listen('client-a');
    const id = await submit(textToImage({ steps: 4 }), 'client-a');
    await listener.untilEndOf(id);
    compare(listener, '0.3.64', 'ws-success', { prompt_id: id });
  });

  it('have no previews when the preview method is none', async () => {
    await start(version, { previewMethod: 'none' });
    const listener = await listen('client-np');
    const { meta, frames } = socketRecording('0.3.64', 'ws-success-no-previews');
    const steps = frames.filter(
      (line) => isObject(line) && isObject(line.frame) && line.frame.type === 'progress',
    ).length;
    const id = await submit(textToImage({ steps }), 'client-np');
    await listener.untilEndOf(id);
    const names = new Names();
    names.tie(String(meta.prompt_id), id);
    const types = (list: readonly Json[]) => list.map((line) => asObject(asObject(line).frame ?? line).type);
    expect(types(listener.texts()).filter((type) => type !== 'status')).toEqual(
      types(frames).filter((type) => type !== 'status'),
    );
    expect(listener.frames.some(Buffer.isBuffer)).toBe(false);
  });

  it('have previews with metadata if the client asked for that in its first message', async () => {
    await start(version);
    await prime(textToImage({ steps: 2 }), ['1', '2', '3']);
    const listener = await listen('client-m');
    listener.socket.send(JSON.stringify({ type: 'feature_flags', data: { supports_preview_metadata: true } }));
    await listener.until(() => listener.texts('feature_flags').length > 0);
    const id = await submit(textToImage({ steps: 2 }), 'client-m');
    await listener.untilEndOf(id);
    compare(listener, version, 'ws-metadata-preview', { prompt_id: id });
    const preview = listener.frames.find(Buffer.isBuffer) ?? Buffer.alloc(8);
    const metadata = JSON.parse(preview.subarray(8, 8 + preview.readUInt32BE(4)).toString());
    expect(metadata).toEqual({
      node_id: '5',
      prompt_id: id,
      display_node_id: '5',
      parent_node_id: null,
      real_node_id: '5',
      image_type: 'image/jpeg',
    });
    expect(preview.subarray(8 + preview.readUInt32BE(4), 10 + preview.readUInt32BE(4)).toString('hex')).toBe('ffd8');
  });

  it('answer feature_flags only in the first message, and ignore messages that are not JSON', async () => {
    await start(version);
    const listener = await listen('client-late');
    listener.socket.send('{"type":"hello"}');
    listener.socket.send(JSON.stringify({ type: 'feature_flags', data: { supports_preview_metadata: true } }));
    listener.socket.send('not json');
    const id = await submit(textToImage({ steps: 1 }), 'client-late');
    await listener.untilEndOf(id);
    expect(listener.texts('feature_flags')).toEqual([]);
    expect(listener.frames.find(Buffer.isBuffer)?.readUInt32BE(0)).toBe(1);
  });

  it('of a run go only to its client, while others get the length of the queue', async () => {
    await start(version);
    const owner = await listen('client-a');
    const outsider = await listen('outsider');
    const id = await submit(textToImage({ steps: 4 }), 'client-a');
    await owner.untilEndOf(id);
    await outsider.until(() => outsider.frames.length >= 4);
    compare(outsider, '0.3.64', 'ws-success.outsider', { prompt_id: id });
  });

  it('report a node that raises an exception', async () => {
    await start(version);
    writeFileSync(join(simulator.dir, 'input', 'text.png'), 'this is not a picture\n');
    await putPicture(simulator, 'input/primer.png');
    const graph = img2img('text.png');
    await prime(graph, ['1', '2', '3']);
    const [owner, outsider] = [await listen('client-a'), await listen('outsider')];
    const id = await submit(graph, 'client-a');
    await owner.untilEndOf(id);
    await outsider.until(() => outsider.frames.length >= 4);
    compare(owner, '0.3.64', 'ws-failed', { prompt_id: id }, 1);
    compare(outsider, '0.3.64', 'ws-failed.outsider', { prompt_id: id }, 1);
  });

  it('include an output that was made before another node raised an exception', async () => {
    await start(version);
    const graph: JsonObject = {
      '1': { class_type: 'EmptyImage', inputs: { width: 4, height: 4, batch_size: 1, color: 0 } },
      '2': { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: 'sd_xl_base_1.0.safetensors' } },
      '3': { class_type: 'VAEEncode', inputs: { pixels: ['1', 0], vae: ['2', 2] } },
      '4': { class_type: 'VAEDecode', inputs: { samples: ['3', 0], vae: ['2', 2] } },
      '5': { class_type: 'PreviewImage', inputs: { images: ['4', 0] } },
      '6': { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: 'beside_failure' } },
    };
    await prime(graph, ['2']);
    const owner = await listen('client-a');
    const id = await submit(graph, 'client-a');
    await owner.untilEndOf(id);
    compare(owner, '0.3.64', 'ws-failed-with-one-good-output', { prompt_id: id }, 1);
  });

  it('mostly go to all clients when a prompt has no client id', async () => {
    await start(version);
    await prime(textToImage({ seed: 6010, steps: 2 }), ['1', '2', '3', '4']);
    const anybody = await listen('client-a');
    const id = await submit(textToImage({ seed: 6010, steps: 2 }));
    await anybody.until(() => anybody.texts('status').length >= 4);
    compare(anybody, '0.3.64', 'ws-no-client-id', { prompt_id: id }, 1);
  });

  it('report no error when a prompt has no client id', async () => {
    await start(version);
    writeFileSync(join(simulator.dir, 'input', 'text.png'), 'this is not a picture\n');
    await putPicture(simulator, 'input/primer.png');
    await prime(img2img('text.png'), ['1', '2', '3']);
    const anybody = await listen('client-a');
    const id = await submit(img2img('text.png'));
    await anybody.until(() => anybody.texts('status').length >= 4);
    compare(anybody, '0.3.64', 'ws-no-client-id-failed', { prompt_id: id }, 1);
  });

  it('report an interrupt to all clients when a prompt has no client id', async () => {
    await start(version, { stepMs: 20 });
    await prime(textToImage({ steps: 60 }), ['1', '2', '3', '4']);
    const anybody = await listen('client-a');
    const id = await submit(textToImage({ steps: 60 }));
    await anybody.until(() => anybody.frames.some(Buffer.isBuffer));
    await ask(simulator.url, 'POST', '/interrupt');
    await anybody.until(() => anybody.texts('status').length >= 4);
    const names = new Names();
    names.tie(String(socketRecording('0.3.64', 'ws-no-client-id-interrupted').meta.prompt_id), id);
    const [theirs, ours] = [socketFrames('ws-no-client-id-interrupted'), anybody.frames.slice(1).map(asText)];
    expect(firstStepOnly(ours).map((frame) => shown(frame, names.recorded))).toEqual(
      firstStepOnly(theirs).map((frame) => shown(frame)),
    );
  });

  it('name the next node when a prompt is interrupted while it loads a checkpoint', async () => {
    await start(version, { modelLoadMs: 80 });
    const owner = await listen('client-c');
    const id = await submit(textToImage({ steps: 4 }), 'client-c');
    await owner.until(() => owner.texts('executing').length > 0);
    await ask(simulator.url, 'POST', '/interrupt');
    await owner.untilEndOf(id);
    compare(owner, '0.3.64', 'ws-interrupted-while-loading', { prompt_id: id }, 1);
  });

  it('end an interrupted run and continue with the next prompt', async () => {
    await start(version, { stepMs: 20 });
    await prime(textToImage({ seed: 6001, steps: 60 }), ['1']);
    const owner = await listen('client-a');
    const first = await submit(textToImage({ seed: 6001, steps: 60 }), 'client-a');
    const second = await submit(textToImage({ seed: 6002 }), 'client-a');
    await owner.until(() => owner.frames.some(Buffer.isBuffer));
    await ask(simulator.url, 'POST', '/interrupt');
    await owner.untilEndOf(second);
    const names = new Names();
    const { meta } = socketRecording('0.3.64', 'ws-interrupted');
    names.tie(String(meta.interrupted), first);
    names.tie(String(meta.behind), second);
    // The position of the second submission's status frame is a race, both in the recording and here.
    const withoutStatus = (list: readonly Json[]) =>
      list.filter((frame) => !isObject(frame) || frame.type !== 'status');
    const ours = withoutStatus(firstStepOnly(owner.frames.slice(1).map(asText)));
    const theirs = withoutStatus(firstStepOnly(socketFrames('ws-interrupted')));
    expect(ours.map((frame) => shown(frame, names.recorded))).toEqual(theirs.map((frame) => shown(frame)));
  });

  it('do not mention a refused prompt', async () => {
    await start(version);
    const listener = await listen('client-a');
    await ask(simulator.url, 'POST', '/prompt', '{"prompt": {}, "client_id": "client-a"}');
    await listener.untilEndOf(await submit(plainImage(1), 'client-a'));
    expect(
      listener.texts('status').map(({ data }) => asObject(asObject(asObject(data).status).exec_info).queue_remaining),
    ).toEqual([0, 1, 1, 0]);
  });

  it('give a socket without clientId an id of 32 hex digits', async () => {
    await start(version);
    const listener = await listen('');
    const [first] = listener.texts();
    expect(asObject(first?.data).sid).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe('the frames of a run cancelled by the jobs route', () => {
  it('are those of an interrupt, followed by the waiting prompts', async () => {
    await start('0.33.0', { stepMs: 40 });
    const owner = await listen('client-j');
    await prime(textToImage({ seed: 81_001, steps: 80 }), []);
    const long = await submit(textToImage({ seed: 81_001, steps: 80 }), 'client-j');
    await owner.until(() => owner.texts('progress').length > 0);
    const later = await submit(plainImage(0x202022, 'jobs'), 'client-j');
    const { prompt_id: front } = await askJson(simulator.url, 'POST', '/prompt', {
      prompt: plainImage(0x202030, 'jobs'),
      client_id: 'client-j',
      front: true,
    });
    await owner.until(() => owner.texts('status').some(isCount(3)));
    await ask(simulator.url, 'POST', `/api/jobs/${long}/cancel`);
    await owner.untilEndOf(later);
    const from = owner.frames.findLastIndex(
      (frame) => !Buffer.isBuffer(frame) && frame.type === 'status' && isCount(3)(frame),
    );
    const { meta, frames } = socketRecording('0.33.0', 'ws-cancelled-by-jobs-route');
    const names = new Names();
    names.tie(String(meta.prompt_id), long);
    const ids = frames.map((line) => String(asObject(asObject(asObject(line).frame).data).prompt_id));
    const [, second, third] = [...new Set(ids.filter((id) => id !== 'undefined'))];
    names.tie(second ?? '', String(front));
    names.tie(third ?? '', later);
    // The cancel may have come a few steps later than in the recording.
    const ours = owner.frames
      .slice(from)
      .map(asText)
      .filter((frame) => JSON.stringify(frame).includes('"max":80') === false);
    const withoutSteps = ours.filter((frame) => isObject(frame));
    expect(withoutSteps.map((frame) => shown(frame, names.recorded))).toEqual(
      frames.map((line) => shown(asObject(line).frame ?? null)),
    );
  });
});

describe('two connections of one client id', () => {
  it('send the current node and the remaining frames to a client that reconnects', async () => {
    await start('0.3.64', { stepMs: 20 });
    await prime(textToImage({ steps: 12 }), ['1', '2', '3', '4']);
    const first = await listen('client-r');
    const id = await submit(textToImage({ steps: 12 }), 'client-r');
    await first.until(() => first.texts('progress').length > 0);
    first.socket.terminate();
    const second = await listen('client-r');
    await second.untilEndOf(id);
    const [status, executing] = second.texts();
    expect([status?.type, executing]).toEqual(['status', { type: 'executing', data: { node: '5' } }]);
    const { frames } = socketRecording('0.3.64', 'ws-reconnect.second');
    const tail = (list: readonly Json[]) => list.slice(-9);
    const names = new Names();
    names.tie(String(socketRecording('0.3.64', 'ws-reconnect.second').meta.prompt_id), id);
    expect(tail(second.frames.map(asText)).map((frame) => shown(frame, names.recorded))).toEqual(
      tail(frames.map((line) => asObject(line).frame ?? null)).map((frame) => shown(frame)),
    );
  });

  it('repeat nothing for a client that reconnects after the end', async () => {
    await start('0.3.64');
    const first = await listen('client-r3');
    await first.untilEndOf(await submit(textToImage(), 'client-r3'));
    await first.close();
    const second = await listen('client-r3');
    compare(second, '0.3.64', 'ws-reconnect-after-end', {});
  });

  it('send frames to the newer one, and to neither once the older one has closed', async () => {
    await start('0.3.64', { stepMs: 30 });
    await prime(textToImage({ steps: 6 }), ['1', '2', '3', '4']);
    const older = await listen('client-two');
    const newer = await listen('client-two');
    const id = await submit(textToImage({ steps: 6 }), 'client-two');
    await newer.until(() => newer.frames.some(Buffer.isBuffer));
    const heard = newer.frames.slice(0, newer.frames.findIndex(Buffer.isBuffer) + 1);
    await older.close();
    const witness = await listen('witness');
    const silentFrom = newer.frames.length;
    expect(older.frames.length).toBe(1);
    compare({ frames: heard }, '0.3.64', 'ws-two-sockets-same-id.second', { prompt_id: id });
    await submit(plainImage(7), 'client-two');
    await witness.until(
      () => witness.texts('status').some(isCount(2)) && witness.texts('status').slice(1).some(isCount(0)),
    );
    expect(newer.frames.length).toBe(silentFrom);
    expect(newer.socket.readyState).toBe(newer.socket.OPEN);
  });
});

function isCount(remaining: number): (frame: JsonObject) => boolean {
  return ({ data }) => asObject(asObject(asObject(data).status).exec_info).queue_remaining === remaining;
}

function asText(frame: JsonObject | Buffer): Json {
  return Buffer.isBuffer(frame) ? `binary ${frame.subarray(0, 8).toString('hex')}` : frame;
}

/**
 * The frames without those of steps after the first: how many of the 60 steps run before an interrupt varies.
 */
function firstStepOnly(frames: readonly Json[]): Json[] {
  let isLater = false;
  return frames.filter((frame) => {
    if (!isObject(frame)) return !isLater;
    const data = asObject(frame.data);
    const step = frame.type === 'progress' ? data : isObject(data.nodes) ? Object.values(data.nodes).at(-1) : undefined;
    isLater = isObject(step) && step.max === 60 && Number(step.value) > 1;
    return !isLater;
  });
}

function socketFrames(file: string): Json[] {
  return socketRecording('0.3.64', file).frames.map((line) => {
    const { frame, binary } = asObject(line);
    return frame ?? `binary ${String(binary)}`;
  });
}

function img2img(image: string): JsonObject {
  const graph = textToImage({ steps: 2, prefix: 'img2img' });
  const sampler = asObject(graph['5']);
  return {
    ...graph,
    '4': { class_type: 'LoadImage', inputs: { image } },
    '5': { ...sampler, inputs: { ...asObject(sampler.inputs), denoise: 0.5, latent_image: ['8', 0] } },
    '8': { class_type: 'VAEEncode', inputs: { pixels: ['4', 0], vae: ['1', 2] } },
  };
}
