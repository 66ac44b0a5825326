import { FleetError, type Img2ImgRequest, type PictureKind } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { resolveRequest, type Workflows } from '../src/index.js';
import { loadFolder } from './folder.js';
import { DRAWN_SEED, INPUT, LIMITS, loadAs, resolve, workflowCalled } from './requests.js';

const shipped = await loadFolder();

const inputsFor = (...asked: Parameters<typeof resolve>) => resolve(...asked).inputs;

function faults(kind: PictureKind, request: Partial<Img2ImgRequest>, workflows: Workflows): unknown {
  try {
    resolve(kind, { prompt: 'a fox', ...request }, workflows);
  } catch (error) {
    if (error instanceof FleetError && error.code === 'validation_failed') return error.errors;
    throw error;
  }
  return [];
}

describe('resolveRequest with a checkpoint of the operator', () => {
  it("takes it in place of the workflow's own, and the request's in place of both", async () => {
    const workflows = await loadFolder({}, { checkpoint: 'juggernaut.safetensors' });
    const checkpoints = (['text2img', 'img2img'] as const).map((kind) => [
      inputsFor(kind, { prompt: 'a fox' }, workflows).checkpoint,
      inputsFor(kind, { prompt: 'a fox', checkpoint: 'mine.safetensors' }, workflows).checkpoint,
    ]);
    expect(checkpoints).toEqual(Array(2).fill(['juggernaut.safetensors', 'mine.safetensors']));
  });

  it('does not change a workflow that loads a diffusion model', async () => {
    const files = { 'text2img.json': { fixture: 'flux-ksampler' } };
    const workflows = await loadFolder(files, { checkpoint: 'juggernaut.safetensors' });
    expect(inputsFor('text2img', { prompt: 'a fox' }, workflows).checkpoint).toBe('flux1-dev-fp8.safetensors');
  });
});

describe('resolveRequest', () => {
  it('fills a request that has only a prompt from the profile mid and the template', () => {
    expect(resolve('text2img', { prompt: 'a fox' }, shipped)).toEqual({
      workflow: 'text2img',
      version: shipped.byName.get('text2img')?.version,
      lod: 'mid',
      inputs: {
        prompt: 'a fox',
        negative_prompt: '',
        steps: 18,
        cfg: 6.5,
        sampler: 'euler_ancestral',
        scheduler: 'normal',
        seed: DRAWN_SEED,
        width: 768,
        height: 480,
        count: 1,
        checkpoint: 'sd_xl_base_1.0.safetensors',
        denoise: 1,
      },
      priority: 0,
      metadata: {},
    });
  });

  it.each([
    ['sketch', { steps: 8, cfg: 5, sampler: 'euler_ancestral', scheduler: 'normal', width: 512, height: 320 }, 0.75],
    ['mid', { steps: 18, cfg: 6.5, sampler: 'euler_ancestral', scheduler: 'normal', width: 768, height: 480 }, 0.55],
    ['final', { steps: 30, cfg: 7, sampler: 'dpmpp_2m', scheduler: 'karras', width: 1024, height: 640 }, 0.35],
    ['direct_final', { steps: 40, cfg: 7, sampler: 'dpmpp_2m', scheduler: 'karras', width: 1024, height: 640 }, 0.6],
  ] as const)('applies the profile %s, its denoise to img2img only', (lod, expected, denoise) => {
    expect(inputsFor('text2img', { prompt: 'a fox', lod }, shipped)).toMatchObject({ ...expected, denoise: 1 });
    expect(inputsFor('img2img', { prompt: 'a fox', lod }, shipped).denoise).toBe(denoise);
  });

  it("lets the request's own values win over the profile's and the template's", () => {
    const own = {
      prompt: 'a fox',
      negative_prompt: 'fog',
      lod: 'final',
      steps: 3,
      cfg: 1.5,
      sampler: 'heun',
      scheduler: 'simple',
      seed: '18446744073709551615',
      width: 200,
      height: 304,
      count: 4,
      checkpoint: 'other.safetensors',
      denoise: 0.1,
      priority: -2,
      metadata: { order: '7' },
    } as const;
    const { lod, priority, metadata, ...inputs } = own;
    const overrides = ['steps', 'cfg', 'sampler', 'scheduler', 'width', 'height', 'checkpoint'];
    const expected = { lod, priority, metadata, overrides, inputs: { ...inputs, image: INPUT } };
    expect(resolve('img2img', own, shipped)).toMatchObject(expected);
  });

  it("takes the template's negative prompt when the request has none, and an empty one when it says so", async () => {
    const workflows = await loadAs('text2img', 'sd3');
    expect(inputsFor('text2img', { prompt: 'a fox' }, workflows).negative_prompt).toBe('bad quality');
    expect(inputsFor('text2img', { prompt: 'a fox', negative_prompt: '' }, workflows).negative_prompt).toBe('');
  });

  it.each([
    ['width', { width: 1024 }, { width: 1024, height: 480 }],
    ['height', { height: 1024 }, { width: 768, height: 1024 }],
  ])('takes the other side from the profile when text2img has only %s', (_side, request, size) => {
    expect(inputsFor('text2img', { prompt: 'a fox', ...request }, shipped)).toMatchObject(size);
  });

  it.each([
    ['width', { width: 400 }, { width: 400, height: 600 }],
    ['height', { height: 600 }, { width: 400, height: 600 }],
  ])("keeps the input's shape when img2img has only %s", (_side, request, size) => {
    expect(inputsFor('img2img', { prompt: 'a fox', ...request }, shipped)).toMatchObject(size);
  });

  it("gives img2img the input's shape and the profile's area when it has no size", () => {
    const { width, height } = inputsFor('img2img', { prompt: 'a fox', lod: 'final' }, shipped);
    expect([width, height]).toEqual([664, 992]);
  });

  it("gives the input's own size, cut to whole latent pixels, when the workflow does not scale", async () => {
    const workflows = await loadAs('img2img', 'img2img-inpaint');
    const input = { ...INPUT, width: 803, height: 1199 };
    const resolved = resolve('img2img', { prompt: 'a fox' }, workflows, { input });
    expect(resolved.inputs).toMatchObject({ width: 800, height: 1192 });
  });

  it("applies a request's cfg, but not a profile's, to the guidance of a distilled model", async () => {
    const workflows = await loadAs('text2img', 'flux-dev');
    expect(inputsFor('text2img', { prompt: 'a fox', lod: 'final' }, workflows).cfg).toBe(3.5);
    expect(inputsFor('text2img', { prompt: 'a fox', cfg: 2 }, workflows).cfg).toBe(2);
  });

  it('refuses fields that the workflow cannot take, one by one', async () => {
    const workflows = await loadAs('text2img', 'sampler-custom');
    const detail = 'has no place in the workflow text2img; leave it out';
    expect(faults('text2img', { scheduler: 'karras' }, workflows)).toEqual([{ pointer: '/scheduler', detail }]);
    const flux = await loadAs('text2img', 'flux-dev');
    expect(faults('text2img', { negative_prompt: 'fog' }, flux)).toEqual([{ pointer: '/negative_prompt', detail }]);
    expect(faults('text2img', { negative_prompt: '' }, flux)).toEqual([]);
  });

  it("reports the graph's values of parameters that the workflow cannot take", async () => {
    const workflows = await loadAs('img2img', 'img2img-inpaint');
    expect(faults('img2img', { width: 512 }, workflows)).toEqual([
      { pointer: '/width', detail: 'has no place in the workflow img2img; leave it out' },
    ]);
    const custom = await loadAs('text2img', 'sampler-custom');
    expect(inputsFor('text2img', { prompt: 'a fox' }, custom)).toMatchObject({ scheduler: '', steps: 18 });
  });

  it.each([
    ['a number that JSON already rounded', 2 ** 53, 'write it as a string'],
    ['a string beyond 2^64−1', '18446744073709551616', '18446744073709551615'],
    ['a negative number', -1, 'whole number'],
    ['not a number', 'lucky', 'whole number'],
  ])('refuses a seed that is %s', (_what, seed, words) => {
    const entry = { pointer: '/seed', detail: expect.stringContaining(words) };
    expect(faults('text2img', { seed }, shipped)).toEqual([entry]);
  });

  it('counts metadata in bytes of JSON, not in characters', () => {
    const fits = { note: 'ü'.repeat((1024 - '{"note":""}'.length - 1) / 2) };
    expect(faults('text2img', { metadata: fits }, shipped)).toEqual([]);
    const long = { note: `${fits.note}üü` };
    expect(faults('text2img', { metadata: long }, shipped)).toEqual([
      { pointer: '/metadata', detail: 'must have at most 1024 bytes as JSON; this has 1027' },
    ]);
  });

  it('lists every error of a request at once', () => {
    const request = { seed: -1, metadata: { note: 'x'.repeat(2000) } };
    const pointers = (faults('text2img', request, shipped) as { pointer: string }[]).map(({ pointer }) => pointer);
    expect(pointers.sort()).toEqual(['/metadata', '/seed']);
  });

  it('refuses img2img without a picture', () => {
    const { profiles } = shipped;
    const workflow = workflowCalled(shipped, 'img2img');
    const asked = { workflow, profiles, request: { prompt: 'a fox' }, randomSeed: () => '1', limits: LIMITS };
    expect(() => resolveRequest(asked)).toThrow('/image is required: the input picture.');
  });
});
