import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadWorkflows, WorkflowError } from '../src/index.js';
import { faultsOf, loadFolder } from './folder.js';
import { workflowCalled } from './requests.js';

const PROFILE = {
  steps: 8,
  cfg: 5,
  sampler: 'euler',
  scheduler: 'normal',
  scale: 0.5,
  denoise: 0.75,
  deadline_seconds: 120,
  description: 'A look.',
};

function profiles(changes: Record<string, unknown>): { text: string } {
  const all = { sketch: PROFILE, mid: PROFILE, final: PROFILE, direct_final: PROFILE, ...changes };
  return { text: JSON.stringify(all) };
}

describe('loadWorkflows', () => {
  it('reads the shipped folder: both templates with the values of their graphs, and four profiles', async () => {
    const workflows = await loadFolder();
    expect([...workflows.byName.keys()].sort()).toEqual(['img2img', 'text2img']);
    expect(workflowCalled(workflows, 'text2img').defaults).toEqual({
      prompt: 'a lighthouse on a cliff at dusk',
      negative_prompt: '',
      seed: '0',
      steps: 20,
      cfg: 7,
      sampler: 'euler_ancestral',
      scheduler: 'normal',
      denoise: 1,
      width: 1024,
      height: 640,
      count: 1,
      checkpoint: 'sd_xl_base_1.0.safetensors',
    });
    expect(workflows.profiles.final).toMatchObject({ scale: 1, denoise: 0.35, sampler: 'dpmpp_2m' });
  });

  it('ships img2img with a picture that is scaled by lanczos and cut around its centre', async () => {
    const { graph } = workflowCalled(await loadFolder(), 'img2img');
    const scale = Object.values(graph).find((node) => node.class_type === 'ImageScale');
    expect(scale?.inputs).toMatchObject({ upscale_method: 'lanczos', crop: 'center' });
  });

  it('loads every other workflow of the folder under its file name', async () => {
    const workflows = await loadFolder({ 'portrait.json': { fixture: 'flux-dev' } });
    expect(workflowCalled(workflows, 'portrait')).toMatchObject({ name: 'portrait', kind: 'workflow' });
  });

  it('reads an inputs file as information about its workflow', async () => {
    const workflows = await loadFolder({ 'text2img.inputs.json': { text: '{"description": "Pictures"}' } });
    expect([...workflows.byName.keys()]).toEqual(['img2img', 'text2img']);
  });

  it('names the wrong setting when the folder does not exist', async () => {
    const dir = join('no', 'such', 'folder');
    await expect(loadWorkflows(dir)).rejects.toThrow(WorkflowError);
    await expect(loadWorkflows(dir)).rejects.toThrow(/no\/such\/folder cannot be read .*set WORKFLOWS_DIR/);
  });

  it('lists the errors of all files at once', async () => {
    const files = {
      'text2img.json': undefined,
      'img2img.json': { fixture: 'ui-format' },
      'lod-profiles.json': { text: '{"sketch": ' },
      'lost.bindings.json': { text: '{}' },
    };
    expect(await faultsOf(files)).toEqual([
      expect.stringContaining('img2img.json: is saved in the format'),
      'lost.bindings.json: belongs to lost.json, which does not exist',
      expect.stringMatching(/^text2img.json: is missing from /),
      expect.stringContaining('lod-profiles.json: is not valid JSON'),
    ]);
  });

  it.each([
    ['text2img', 'img2img-advanced', 'starts from a picture: the sampler needs an EmptyLatentImage'],
    ['img2img', 'batch', 'starts from no picture: the sampler needs LoadImage → ImageScale → VAEEncode'],
  ])('refuses a %s that is a workflow of the other kind', async (name, fixture, sentence) => {
    const file = `${name}.json`;
    expect(await faultsOf({ [file]: { fixture } })).toEqual([expect.stringContaining(`${file}: ${sentence}`)]);
  });

  it('is not misled by numbers that JavaScript would round', async () => {
    const workflows = await loadFolder({ 'x.json': { fixture: 'ksampler-advanced' } });
    expect(workflowCalled(workflows, 'x').graph['20']?.inputs.value).toBe(18446744073709551615n);
  });
});

describe('lod-profiles.json', () => {
  it('is refused with every error at once, each with the profile, the key and what to write', async () => {
    const { denoise, ...withoutDenoise } = PROFILE;
    const file = profiles({
      sketch: { ...withoutDenoise, denoize: denoise },
      mid: { ...PROFILE, steps: 8.5, scale: 0, sampler: '' },
      final: 'best',
      ultra: PROFILE,
    });
    const faults = await faultsOf({ 'lod-profiles.json': file });
    const keys = 'steps, cfg, sampler, scheduler, scale, denoise, deadline_seconds, pool, description';
    expect([...faults].sort()).toEqual(
      [
        'the file has an unknown key "ultra" (known: sketch, mid, final, direct_final)',
        `profile "sketch" has an unknown key "denoize", did you mean "denoise"? (known: ${keys})`,
        'profile "sketch" has no "denoise": write how much of an input picture is made anew, 0 (nothing) to 1 (all)',
        'profile "mid" has 8.5 as "steps": write a whole number of sampling steps, 1 to 10000',
        'profile "mid" has 0 as "scale": write the factor for the template\'s width and height, above 0 up to 4',
        'profile "mid" has "" as "sampler": write the name of a sampler, as ComfyUI writes it, such as "euler_ancestral"',
        `profile "final" must be an object with ${keys}`,
      ]
        .map((fault) => `lod-profiles.json: ${fault}`)
        .sort(),
    );
  });

  it('is refused when a profile is missing', async () => {
    const text = JSON.stringify({ sketch: PROFILE, mid: PROFILE, final: PROFILE });
    expect(await faultsOf({ 'lod-profiles.json': { text } })).toEqual([
      expect.stringContaining('the file has no "direct_final": write a profile with steps, cfg'),
    ]);
  });

  it('is refused when it is not an object', async () => {
    expect(await faultsOf({ 'lod-profiles.json': { text: '[]' } })).toEqual([
      'lod-profiles.json: the file must be an object with sketch, mid, final, direct_final',
    ]);
  });

  it.each(['99999999999999999999', '1e999'])('is refused when it has %s for a number', async (number) => {
    const text = profiles({}).text.replace('"steps":8', `"steps":${number}`);
    expect(await faultsOf({ 'lod-profiles.json': { text } })).toEqual([
      expect.stringMatching(/^lod-profiles.json: profile "sketch" has .* as "steps": write a whole number/),
    ]);
  });
});

describe('the shipped workflows', () => {
  it.each(['text2img', 'img2img'])('has in %s a title on every node', async (name) => {
    const file = new URL(`../../../workflows/${name}.json`, import.meta.url);
    const graph = JSON.parse(await readFile(file, 'utf8')) as Record<string, { _meta?: { title?: string } }>;
    const titles = Object.values(graph).map((node) => node._meta?.title);
    expect(titles.every((title) => title !== undefined && title !== '')).toBe(true);
    expect(new Set(titles).size).toBe(titles.length);
  });
});
