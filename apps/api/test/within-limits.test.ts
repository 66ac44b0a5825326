import { readFileSync } from 'node:fs';
import type { InputValue, RequestLimits } from '@comfy-fleet/contracts';
import { type Catalogue, openGraph, openUpload } from '@comfy-fleet/workflows';
import { expect, it } from 'vitest';
import { pointersOf } from '../src/orders/pointers.js';
import { createWithinLimits, refuseBeyondLimits } from '../src/orders/refuse-job.js';
import { anonymousCaller as caller } from '../src/server/gate.js';

const FILE = new URL('../../../workflows/text2img.json', import.meta.url);
const workflow = openUpload('text2img', readFileSync(FILE, 'utf8'));
const LIMITS: RequestLimits = {
  maxPromptChars: 100_000,
  maxSteps: 20,
  maxCfg: 10,
  minSize: 64,
  maxSize: 1024,
  maxCount: 4,
  maxJobPixels: 2_000_000,
  maxMetadataBytes: 1024,
  maxQueuedSeconds: 60,
};
const INPUTS = {
  prompt: 'a fox',
  negative_prompt: '',
  seed: '1',
  steps: 20,
  cfg: 7,
  width: 512,
  height: 512,
  count: 1,
};
/** A catalogue that describes a class. */
const DESCRIBED: Catalogue = {
  VAEDecode: { input: { required: { samples: ['LATENT'], vae: ['VAE'] } }, output: ['IMAGE'] },
};

/** Checks a request after one that was within the limits; throws if this one is not. */
function judgedAfter(before: Partial<typeof INPUTS>) {
  const withinLimits = createWithinLimits();
  const judge = (inputs: Readonly<Record<string, InputValue>>, limits = LIMITS, described?: Catalogue) => {
    const request = { workflow: 'text2img', version: workflow.version, lod: 'mid', priority: 0, metadata: {} } as const;
    const asking = { caller, described, pointers: pointersOf(workflow), limits, files: new Map(), beside: undefined };
    return refuseBeyondLimits({ withinLimits }, workflow, { ...request, inputs: { ...INPUTS, ...inputs } }, asking);
  };
  judge(before);
  return { judge, withinLimits };
}

it.each<[string, Partial<typeof INPUTS>]>([
  ['steps', { steps: 21 }],
  ['cfg', { cfg: 11 }],
  ['size', { width: 2048 }],
  ['number of pictures', { count: 5 }],
  ['pixels', { count: 4, width: 1024, height: 1024 }],
  ['longer prompt', { prompt: 'x'.repeat(100_000) }],
])('refuses a job for its %s after a similar job was within the limits', (_what, beyond) => {
  const { judge } = judgedAfter({});
  expect(() => judge(beyond)).toThrow(/the most|or less/);
});

it('refuses the same job for a key with lower limits', () => {
  const { judge } = judgedAfter({});
  expect(() => judge({}, { ...LIMITS, maxSteps: 19 })).toThrow('19');
});

it('checks a job again once the instances describe its nodes differently', () => {
  const { judge, withinLimits } = judgedAfter({});
  const [id = ''] = withinLimits.keys();
  judge({}, LIMITS, DESCRIBED);
  expect(withinLimits.get(id)?.described).toBe(DESCRIBED);
});

it('checks jobs that differ only in seed and prompt once, and knows the memory of their results', () => {
  const { judge, withinLimits } = judgedAfter({ prompt: 'a fox', seed: '1' });
  const { keptPixels = 0 } = judge({ prompt: 'a cat', seed: '2' });
  expect(withinLimits.size).toBe(1);
  expect(keptPixels).toBeGreaterThan(512 ** 2);
  expect(judge({ width: 1024 }).keptPixels).toBeGreaterThan(keptPixels);
});

it('bounds the formulas of a graph that is run once by what was judged', () => {
  const node = (class_type: string, inputs: object) => ({ class_type, inputs });
  const { workflow: once } = openGraph(
    {
      1: node('PrimitiveInt', { value: 32 }),
      2: node('ComfyMathExpression', { expression: 'a * 2', 'values.a': ['1', 0] }),
      3: node('EmptyImage', { width: ['2', 1], height: 64, batch_size: 1 }),
      4: node('SaveImage', { images: ['3', 0] }),
    },
    { catalogue: undefined },
  );
  const request = { workflow: once.name, version: '', lod: 'mid', inputs: {}, priority: 0, metadata: {} } as const;
  const pointers = pointersOf(once);
  const asking = { caller, described: undefined, pointers, limits: LIMITS, files: new Map(), beside: undefined };
  const { bounds } = refuseBeyondLimits({ withinLimits: createWithinLimits() }, once, request, asking);
  expect(bounds).toEqual({ 2: { least: 64, most: 64 } });
});
