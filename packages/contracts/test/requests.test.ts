import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { generateRequestSchema, img2imgRequestSchema, type RequestLimits } from '../src/index.js';

const LIMITS: RequestLimits = {
  maxPromptChars: 40,
  maxSteps: 150,
  maxCfg: 30,
  minSize: 64,
  maxSize: 2048,
  maxCount: 8,
  maxJobPixels: 1_000_000_000,
  maxMetadataBytes: 1024,
  maxQueuedSeconds: 86_400,
};

const ajv = new Ajv({ allErrors: true, strict: false });
const generate = ajv.compile(generateRequestSchema(LIMITS));
const img2img = ajv.compile(img2imgRequestSchema(LIMITS));

/** The places of the errors: the path of the field, or the name of a superfluous or missing one. */
function faults(validate: typeof generate, body: unknown): string[] {
  validate(body);
  return (validate.errors ?? []).map(
    ({ instancePath, params }) => instancePath || params.additionalProperty || params.missingProperty || '/',
  );
}

const FULL = {
  prompt: 'a fox',
  negative_prompt: '',
  lod: 'direct_final',
  steps: 150,
  cfg: 0,
  sampler: 'euler',
  scheduler: 'normal',
  seed: '18446744073709551615',
  width: 64,
  height: 2048,
  count: 8,
  checkpoint: 'a.safetensors',
  priority: -2,
  metadata: { order: '7' },
};

describe('the schema of POST /generate', () => {
  it('accepts a request with every field at its bounds, and one with only a prompt', () => {
    expect(faults(generate, FULL)).toEqual([]);
    expect(faults(generate, { prompt: 'a fox' })).toEqual([]);
  });

  it.each([
    ['a missing prompt', { prompt: undefined }, 'prompt'],
    ['an empty prompt', { prompt: '' }, '/prompt'],
    ['a prompt that is too long', { prompt: 'x'.repeat(41) }, '/prompt'],
    ['a negative prompt that is too long', { negative_prompt: 'x'.repeat(41) }, '/negative_prompt'],
    ['an unknown level of detail', { lod: 'ultra' }, '/lod'],
    ['no steps', { steps: 0 }, '/steps'],
    ['too many steps', { steps: 151 }, '/steps'],
    ['half a step', { steps: 1.5 }, '/steps'],
    ['steps as text', { steps: '20' }, '/steps'],
    ['a negative cfg', { cfg: -0.1 }, '/cfg'],
    ['a cfg that is too high', { cfg: 30.1 }, '/cfg'],
    ['a seed that is a rounded number', { seed: 2 ** 53 }, '/seed'],
    ['a negative seed', { seed: -1 }, '/seed'],
    ['a seed of letters', { seed: 'lucky' }, '/seed'],
    ['a width below the least', { width: 56 }, '/width'],
    ['a width that is no multiple of 8', { width: 100 }, '/width'],
    ['a height above the most', { height: 2056 }, '/height'],
    ['no pictures', { count: 0 }, '/count'],
    ['too many pictures', { count: 9 }, '/count'],
    ['an empty checkpoint', { checkpoint: '' }, '/checkpoint'],
    ['a priority that is too high', { priority: 3 }, '/priority'],
    ['metadata with a number in it', { metadata: { order: 7 } }, '/metadata/order'],
    ['metadata that is a list', { metadata: ['a'] }, '/metadata'],
    ['an unknown field', { step: 20 }, 'step'],
    ['a denoise, which is for img2img', { denoise: 0.5 }, 'denoise'],
    ['null for an optional field', { steps: null }, '/steps'],
  ])('refuses %s', (_what, change, place) => {
    const body = JSON.parse(JSON.stringify({ ...FULL, ...change })) as unknown;
    expect(faults(generate, body)).toEqual([place]);
  });

  it('reports every error of a body at once', () => {
    const body = { prompt: '', steps: 0, width: 65, colour: 'red' };
    expect(faults(generate, body).sort()).toEqual(['/prompt', '/steps', '/width', 'colour']);
  });
});

describe('the schema of POST /img2img', () => {
  it.each([
    ['a frame of ours', { source: '01a21244-7dd0-761c-8b5e-8c1a619a8ac6_1.png' }],
    ['a picture as text', { image: 'aGVsbG8=' }],
    ['a picture that comes as a file beside it', {}],
  ])('accepts all fields of /generate with denoise and %s', (_what, picture) => {
    expect(faults(img2img, { ...FULL, denoise: 0, ...picture })).toEqual([]);
    expect(faults(img2img, { ...FULL, denoise: 1, ...picture })).toEqual([]);
  });

  it.each([
    ['a denoise below 0', { denoise: -0.01 }, '/denoise'],
    ['a denoise above 1', { denoise: 1.01 }, '/denoise'],
    ['an empty picture', { image: '' }, '/image'],
    ['an empty source', { source: '' }, '/source'],
    ['an unknown field', { strength: 0.5 }, 'strength'],
  ])('refuses %s', (_what, change, place) => {
    expect(faults(img2img, { prompt: 'a fox', ...change })).toEqual([place]);
  });
});
