import { isHintId, newId } from '@comfy-fleet/contracts';
import type { NewJob } from '@comfy-fleet/jobs';
import { queueOf, type Simulator, until } from '@comfy-fleet/testing';
import { openGraph, openUpload } from '@comfy-fleet/workflows';
import { expect, it } from 'vitest';
import { aRequest } from './held.js';
import { aGpu, openStack, someStores, withInput } from './worker-stack.js';

const GIB = 1024 ** 3;
const MODEL = 'flux1-dev.safetensors';
const ENCODER = 't5xxl_fp16.safetensors';
const SMALL = { vramBytes: 16 * GIB, modelBytes: { [MODEL]: 12 * GIB, [ENCODER]: 10 * GIB }, swapMsPerGib: 2 };
const TEXTS = ['a fox', 'an owl', 'a cat', 'a dog', 'a hen', 'a cow', 'a pig', 'a ram'];

const node = (class_type: string, inputs: Record<string, unknown>, title = class_type) => ({
  class_type,
  inputs,
  _meta: { title },
});

const graphOf = (text: string) => ({
  encoder: node('CLIPLoader', { clip_name: ENCODER, type: 'ltxv' }),
  model: node('UNETLoader', { unet_name: MODEL, weight_dtype: 'default' }),
  positive: node('CLIPTextEncode', { clip: ['encoder', 0], text }, 'input:text'),
  negative: node('CLIPTextEncode', { clip: ['encoder', 0], text: 'blurry' }),
  latent: node('EmptyLatentImage', { width: 64, height: 64, batch_size: 1 }),
  sampler: node('KSampler', {
    seed: 1,
    steps: 2,
    cfg: 7,
    sampler_name: 'euler',
    scheduler: 'normal',
    denoise: 1,
    model: ['model', 0],
    positive: ['positive', 0],
    negative: ['negative', 0],
    latent_image: ['latent', 0],
  }),
  vae: node('VAELoader', { vae_name: 'ae.safetensors' }),
  decoded: node('VAEDecode', { samples: ['sampler', 0], vae: ['vae', 0] }),
  saved: node('SaveImage', { images: ['decoded', 0], filename_prefix: 'x' }),
});

const { version, text: source } = openUpload('flux', JSON.stringify(graphOf('')));

/** A job of a published workflow. */
function jobOf(text: string): NewJob {
  const request = { ...aRequest(), workflow: 'flux', version, inputs: { text, seed: '5' }, choices: [] };
  return {
    id: newId(),
    kind: 'workflow',
    request,
    source: { version, text: source },
    pool: 'default',
    startWithinMs: 600_000,
  };
}

/** A job with a graph of its caller's own. */
function ownJobOf(text: string, graph: object = graphOf(text)): NewJob {
  const { workflow, inputs, shape } = openGraph(graph, { catalogue: undefined });
  const own = { version: workflow.version, text: workflow.text };
  const request = { ...aRequest(), workflow: 'graph', version: own.version, inputs, ...(shape && { shape }) };
  return { ...jobOf(text), request, source: own };
}

const HIGH = 'wan2.2_t2v_high_noise_14B_fp8_scaled.safetensors';
const LOW = 'wan2.2_t2v_low_noise_14B_fp8_scaled.safetensors';

/** Samples half of the steps with one model, and the others with another one. */
function twoStageGraphOf(text: string) {
  const { sampler, ...others } = graphOf(text);
  const { seed: noise_seed, denoise: _, ...inputs } = sampler.inputs;
  const stage = (over: object) =>
    node('KSamplerAdvanced', {
      ...{ ...inputs, noise_seed, add_noise: 'enable', steps: 4, start_at_step: 0, end_at_step: 2 },
      ...{ return_with_leftover_noise: 'enable', ...over },
    });
  return {
    ...others,
    model: node('UNETLoader', { unet_name: HIGH, weight_dtype: 'default' }),
    low: node('UNETLoader', { unet_name: LOW, weight_dtype: 'default' }),
    first: stage({}),
    sampler: stage({
      ...{ model: ['low', 0], latent_image: ['first', 0], add_noise: 'disable', start_at_step: 2, end_at_step: 4 },
      return_with_leftover_noise: 'disable',
    }),
  };
}

/** A ComfyUI whose card does not hold the text encoder and the diffusion model together, and its worker. */
async function setUp(
  options: Parameters<typeof aGpu>[1] = { cacheLru: 50 },
  mode: 'on' | 'off' | 'sampling' = 'on',
  make = jobOf,
  given?: Awaited<ReturnType<typeof someStores>>,
) {
  const stack = await openStack();
  const gpu = await aGpu(0, { ...SMALL, ...options });
  await stack.answering();
  const order = async (texts: readonly string[], caller = 'anna') => {
    const jobs = texts.map((text) => make(text));
    await stack.ledger.orders.create({ jobs, caller });
    return jobs.map(({ id }) => id);
  };
  const stores = given ?? (await someStores());
  const begin = (name = 'w', tools = {}) =>
    stack.startWorker(name, [gpu.url], { stores, tools, encodeAhead: { mode, leastSavedMs: 5 } });
  return {
    ...stack,
    gpu,
    order,
    begin,
    /** Orders jobs of several keys, which all wait before one is claimed. Returns their ids in this order. */
    together: async (texts: Readonly<Record<string, readonly string[]>>) => {
      await stack.ledger.fleet.halt({ kind: 'fleet' }, 'operator');
      const ids: string[] = [];
      for (const [caller, own] of Object.entries(texts)) ids.push(...(await order(own, caller)));
      await stack.ledger.fleet.resume({ kind: 'fleet' });
      return ids;
    },
    allEnded: (ids: readonly string[]) => Promise.all(ids.map(stack.ended)),
    /** The key whose job began first, so that a hint for several jobs was its hint. */
    firstKey: async (ids: readonly string[]) => {
      const ended = await Promise.all(ids.map(stack.ended));
      return ended.sort((a, b) => (a.startedAt ?? 0) - (b.startedAt ?? 0))[0]?.key ?? '';
    },
    /** The worker has followed its first hint to its end, which may be after the end of the jobs. */
    hintFollowed: () =>
      until('the hint is on the timeline', async () => {
        const { pages } = await stack.ledger.fleet.timeline(1);
        for await (const [timeline] of pages)
          if (timeline?.executions.some(({ outcome }) => outcome === 'encoded')) return true;
        return false;
      }),
    /** A worker that has learned that encoding ahead pays. */
    learned: async (tools = {}) => {
      const worker = await begin('w', tools);
      for (const text of ['one', 'two', 'three', 'four']) await stack.ended((await order([text]))[0] ?? '');
      return worker;
    },
  };
}

const ends = (gpu: Simulator) => gpu.journal().flatMap((line) => (line.event === 'end' ? [line] : []));
const hints = (gpu: Simulator) => ends(gpu).filter(({ prompt_id }) => isHintId(prompt_id));

/** What its executions did from the nth on: the prompts, swaps of models, and encoded texts. */
function doneSince(gpu: Simulator, n: number) {
  const lines = ends(gpu).slice(n);
  return {
    prompts: lines.length,
    hints: lines.filter(({ prompt_id }) => isHintId(prompt_id)).length,
    swaps: lines.flatMap(({ moved }) => moved).length,
  };
}

it('encodes the texts of eight waiting jobs at once, so that the models are swapped twice, and changes no picture', async () => {
  const { gpu, learned, order, allEnded } = await setUp();
  await learned();
  const before = ends(gpu).length;
  const jobs = await allEnded(await order(TEXTS));
  expect(jobs.map(({ status, attempts }) => [status, attempts])).toEqual(TEXTS.map(() => ['succeeded', 1]));
  expect(doneSince(gpu, before)).toEqual({ prompts: 9, hints: 1, swaps: 2 });

  const alone = await setUp({ cacheLru: 50 }, 'off');
  await alone.begin();
  const same = await alone.allEnded(await alone.order(TEXTS));
  expect(doneSince(alone.gpu, 0)).toMatchObject({ prompts: 8, hints: 0, swaps: 16 });
  const pixels = (records: typeof jobs) => records.map(({ outputs }) => outputs.map(({ sha256 }) => sha256));
  expect(pixels(jobs)).toEqual(pixels(same));
});

it('deletes a hint from the history of ComfyUI when it ended', async () => {
  const { gpu, learned, order, allEnded } = await setUp();
  await learned();
  await allEnded(await order(TEXTS));
  expect(hints(gpu)).toHaveLength(1);
  const history = async () => Object.keys((await (await fetch(`${gpu.url}/history`)).json()) as object);
  await until('the hint is deleted', async () => !(await history()).some(isHintId));
  expect((await history()).length).toBeGreaterThanOrEqual(TEXTS.length);
});

it('sends no hint to a ComfyUI that keeps only the results of the last prompt', async () => {
  const { gpu, learned, order, allEnded } = await setUp({ cacheLru: 0 });
  await learned();
  const before = ends(gpu).length;
  await allEnded(await order(TEXTS));
  expect(doneSince(gpu, before)).toEqual({ prompts: 8, hints: 0, swaps: 16 });
});

it('charges a hint to the keys of all its jobs, and shows it with the job after it and on the timeline of the instance', async () => {
  const { gpu, ledger, learned, together, allEnded } = await setUp();
  await learned();
  gpu.set({ encodeMs: 200 });
  const jobs = await allEnded(await together({ anna: ['a fox', 'an owl'], bert: ['a cat'] }));
  const job = jobs.find(({ timings }) => timings?.encodeAheadMs !== undefined);
  const hint = hints(gpu)[0];
  const took = (hint?.ended_at ?? 0) - (hint?.started_at ?? 0);
  const shownMs = job?.timings?.encodeAheadMs ?? 0;
  expect(shownMs).toBeGreaterThan(took / 2);
  const charged = async (key: string) => (await ledger.accounts.usage(key, 1))[0]?.gpuMs ?? 0;
  // The text of each job, and the common negative one.
  const [anna, bert] = [await charged('anna'), await charged('bert')];
  expect(anna).toBeGreaterThan(0);
  expect(bert).toBeGreaterThanOrEqual(shownMs / 3 - 1);
  const { pages } = await ledger.fleet.timeline(1);
  for await (const [timeline] of pages) {
    const shown = timeline?.executions.filter(({ outcome }) => outcome === 'encoded');
    expect(shown).toMatchObject([{ job: job?.id, key: job?.key }]);
  }
});

it('fails no job when a hint fails, and encodes the other texts in the next one', async () => {
  const { gpu, learned, order, allEnded } = await setUp();
  await learned();
  const before = ends(gpu).length;
  // Only in a hint does a node have this id.
  gpu.faults.add({ kind: 'node_error', node: 'positive_3', message: 'a bad text', times: 1 });
  const jobs = await allEnded(await order(TEXTS));
  expect(jobs.map(({ status, attempts }) => [status, attempts])).toEqual(TEXTS.map(() => ['succeeded', 1]));
  expect(hints(gpu).map(({ outcome }) => outcome)).toEqual(['error', 'success']);
  expect(doneSince(gpu, before).prompts).toBe(10);
});

/** Orders a job each for anna and bert until that of `key` begins first. Returns how many hints that pair caused. */
async function hintsOfNextPair(
  { gpu, order, together, allEnded, firstKey }: Awaited<ReturnType<typeof setUp>>,
  key: string,
): Promise<number> {
  for (let round = 0; ; round += 1) {
    // The more the other key has used, the later it is served.
    await allEnded(await order([`alone ${round}`], key === 'anna' ? 'bert' : 'anna'));
    const before = hints(gpu).length;
    const first = await firstKey(await together({ anna: [`a cat ${round}`], bert: [`a dog ${round}`] }));
    if (first === key) return hints(gpu).length - before;
  }
}

it('keeps a key whose text made a hint fail out of the hints of other keys', async () => {
  const stack = await setUp();
  const { gpu, learned, together, firstKey, hintFollowed } = stack;
  await learned();
  // The text of the second job.
  gpu.faults.add({ kind: 'node_error', node: 'positive_2', message: 'a bad text', times: 1 });
  const key = await firstKey(await together({ anna: ['a fox'], bert: ['an owl'] }));
  await hintFollowed();
  expect(await hintsOfNextPair(stack, key)).toBe(0);
  expect(hints(gpu)[0]?.outcome).toBe('error');
});

it('keeps all other keys out of the hints of a key after ComfyUI lost a hint, and nobody gets the kill', async () => {
  const { stores, request } = await withInput();
  const ofFile = (text: string): NewJob => {
    const nodes = {
      ...graphOf(''),
      loaded: node('LoadImage', { image: 'a.png' }, 'input:image'),
      kept: node('SaveImage', { images: ['loaded', 0], filename_prefix: 'y' }),
    };
    const flow = openUpload('flux', JSON.stringify(nodes));
    const job = jobOf(text);
    const inputs = { ...job.request.inputs, image: request.image };
    const source = { version: flow.version, text: flow.text };
    return { ...job, source, request: { ...job.request, version: flow.version, inputs } };
  };
  const stack = await setUp({ cacheLru: 50 }, 'on', ofFile, stores);
  const { gpu, learned, together, allEnded, firstKey, hintFollowed, worker } = stack;
  await learned();
  gpu.faults.add({ kind: 'lost_prompt', node: 'positive_2', times: 1 });
  const key = await firstKey(await together({ anna: ['a fox'], bert: ['an owl'] }));
  await hintFollowed();
  expect(await hintsOfNextPair(stack, key)).toBe(0);
  await allEnded(await together({ [key]: ['a hen', 'a cow'] }));
  expect([hints(gpu)[0]?.outcome, hints(gpu).at(-1)?.outcome]).toEqual(['lost', 'success']);
  expect(await worker('any').kills()).toEqual([]);
});

it('cancels a job at once while its hint runs, and stops the hint when no job wants it any more', async () => {
  const { gpu, ledger, learned, order, ended, record } = await setUp();
  await learned();
  gpu.faults.add({ kind: 'hang', node: 'positive_2', times: 1 });
  const [first = '', second = ''] = await order(['a fox', 'an owl']);
  await until('the hint hangs', async () => (await queueOf(gpu)).running.some(isHintId));
  await ledger.jobs.cancel(first);
  expect(await ended(first)).toMatchObject({ status: 'canceled', attempts: 0 });
  expect((await queueOf(gpu)).running.some(isHintId)).toBe(true);
  expect(await record(second)).toMatchObject({ status: 'queued' });
  await ledger.jobs.cancel(second);
  expect(await ended(second)).toMatchObject({ status: 'canceled', attempts: 0 });
  await until('it is stopped', () => hints(gpu).length === 1);
  expect(hints(gpu)).toMatchObject([{ outcome: 'interrupted' }]);
});

it('counts neither an attempt nor a kill when ComfyUI dies under a hint, and sends none after two such deaths', async () => {
  const { gpu, learned, order, allEnded } = await setUp();
  await learned();
  for (const texts of [TEXTS.slice(0, 2), TEXTS.slice(2, 4), TEXTS.slice(4, 6)]) {
    gpu.faults.add({ kind: 'lost_prompt', node: 'positive_2', times: 1 });
    const jobs = await allEnded(await order(texts));
    expect(jobs.map(({ status, attempts, kills }) => [status, attempts, kills])).toEqual([
      ['succeeded', 1, 0],
      ['succeeded', 1, 0],
    ]);
  }
  expect(hints(gpu).map(({ outcome }) => outcome)).toEqual(['lost', 'lost']);
});

it('removes the hint of a worker that died, and runs each of its jobs once', async () => {
  const { gpu, learned, order, begin, allEnded } = await setUp();
  const worker = await learned();
  gpu.faults.add({ kind: 'hang', node: 'positive_2', times: 1 });
  const ids = await order(['a fox', 'an owl']);
  await until('the hint hangs', async () => (await queueOf(gpu)).running.some(isHintId));
  await worker.stop(0);
  expect((await queueOf(gpu)).running.some(isHintId)).toBe(true);
  await begin('w');
  const jobs = await allEnded(ids);
  expect(jobs.map(({ status, attempts, submissions }) => [status, attempts, submissions])).toEqual([
    ['succeeded', 1, 1],
    ['succeeded', 1, 1],
  ]);
  expect(hints(gpu)).toMatchObject([{ outcome: 'interrupted' }]);
});

it('leaves the jobs of a hint to the instance that has their texts', async () => {
  // Long enough that one prompt waits behind the running one, and that swaps matter.
  const slow = { stepMs: 150, swapMsPerGib: 20 };
  const { gpu, startWorker, order, allEnded } = await setUp({ cacheLru: 50, ...slow });
  const other = await aGpu(0, { ...SMALL, cacheLru: 50, ...slow });
  await startWorker('w', [gpu.url, other.url], { encodeAhead: { mode: 'on', leastSavedMs: 5 } });
  for (let n = 0; n < 4; n++) await allEnded(await order([`one ${n}`, `two ${n}`]));
  const before = [ends(gpu).length, ends(other).length];
  await allEnded(await order([...TEXTS, ...TEXTS.map((text) => `${text} in the rain`)]));
  const [one, two] = [doneSince(gpu, before[0] ?? 0), doneSince(other, before[1] ?? 0)];
  expect(Math.min(one.hints, two.hints)).toBeGreaterThan(0);
  // Two for each of two to four hints. Each job that runs where its text is not encoded takes two more: 32 in all. Some
  // are claimed before they are marked.
  expect(one.swaps + two.swaps).toBeLessThanOrEqual(16);
});

it('counts the death of ComfyUI under a hint for own graphs as a kill by their key, and no job counts it', async () => {
  const { gpu, learned, order, allEnded, worker } = await setUp({ cacheLru: 50 }, 'on', ownJobOf);
  await learned();
  gpu.faults.add({ kind: 'hang', node: 'positive_2', times: 1 });
  const ids = await order(['a fox', 'an owl'], 'mallory');
  await until('the hint hangs', async () => (await queueOf(gpu)).running.some(isHintId));
  await gpu.close();
  await aGpu(0, { ...SMALL, cacheLru: 50, port: gpu.port });
  const jobs = await allEnded(ids);
  expect(jobs.map(({ status, attempts, kills }) => [status, attempts, kills])).toEqual(
    ids.map(() => ['succeeded', 1, 0]),
  );
  expect(await worker('any').kills()).toMatchObject([
    { key: expect.stringMatching(/mallory|bert/), workflow: 'graph' },
  ]);
});

it('gives an instance nothing while it goes on with a hint that was interrupted', async () => {
  const { gpu, ledger, learned, order, allEnded } = await setUp();
  const worker = await learned({ interruptGraceMs: 300 });
  gpu.faults.add({ kind: 'hang', node: 'positive_2', ignoresInterrupts: true, times: 1 });
  const ids = await order(['a fox', 'an owl']);
  await until('the hint hangs', async () => (await queueOf(gpu)).running.some(isHintId));
  for (const id of ids) await ledger.jobs.cancel(id);
  const jobs = await allEnded(ids);
  expect(jobs.map(({ status, attempts }) => [status, attempts])).toEqual(ids.map(() => ['canceled', 0]));
  const wedged = await until('it is said', async () => {
    const instance = await worker.instance(1);
    return instance?.state === 'wedged' && instance;
  });
  expect(wedged.reason).toMatch(/^it was asked to stop the node CLIPTextEncode at /);
});

it('counts no kill for a hint that waits behind a prompt that ComfyUI goes on with, and takes it back', async () => {
  const { gpu, ledger, learned, order, record, worker } = await setUp({ cacheLru: 50 }, 'on', ownJobOf);
  const stopped = await learned({ interruptGraceMs: 300 });
  gpu.faults.add({ kind: 'hang', node: 'sampler', ignoresInterrupts: true, times: 1 });
  const [bad = ''] = await order(['a rat'], 'mallory');
  await until('it executes', async () => (await record(bad)).status === 'running');
  await order(['a fox', 'an owl'], 'anna');
  const hints = async () => (await queueOf(gpu)).pending.filter(isHintId);
  await until('a hint waits behind it', async () => (await hints()).length > 0);
  await ledger.jobs.cancel(bad);
  await until('the hint is taken back', async () => (await hints()).length === 0);
  await gpu.close();
  await until('the worker knows', async () => (await stopped.instance(1))?.state === 'down');
  expect(await worker('any').kills()).toMatchObject([{ key: 'mallory', workflow: 'graph' }]);
});

const twoStages = (mode: 'on' | 'sampling', options = {}) => {
  const modelBytes = { [HIGH]: 12 * GIB, [LOW]: 12 * GIB };
  return setUp({ cacheLru: 50, modelBytes, diffusionModels: [HIGH, LOW], ...options }, mode, (text) =>
    ownJobOf(text, twoStageGraphOf(text)),
  );
};

it('runs the first stages of four jobs at once if the operator asked for it, and changes no picture', async () => {
  const texts = TEXTS.slice(0, 4);
  const drawn = async (mode: 'on' | 'sampling') => {
    const { gpu, begin, together, allEnded } = await twoStages(mode);
    const worker = await begin();
    await until('the worker knows what ComfyUI caches', async () => (await worker.instance(1))?.machine);
    const jobs = await allEnded(await together({ anna: texts }));
    expect(jobs.map(({ status, attempts }) => [status, attempts])).toEqual(texts.map(() => ['succeeded', 1]));
    return { done: doneSince(gpu, 0), pixels: jobs.map(({ outputs }) => outputs.map(({ sha256 }) => sha256)) };
  };
  const [ahead, alone] = [await drawn('sampling'), await drawn('on')];
  expect(ahead.done).toEqual({ prompts: 5, hints: 1, swaps: 2 });
  expect(alone.done).toEqual({ prompts: 4, hints: 0, swaps: 8 });
  expect(ahead.pixels).toEqual(alone.pixels);
});

it('runs no first stages ahead on a ComfyUI that keeps only the results of the last prompt', async () => {
  const { gpu, begin, together, allEnded } = await twoStages('sampling', { cacheLru: 0 });
  await begin();
  await allEnded(await together({ anna: TEXTS.slice(0, 2) }));
  expect(doneSince(gpu, 0)).toEqual({ prompts: 2, hints: 0, swaps: 4 });
});
