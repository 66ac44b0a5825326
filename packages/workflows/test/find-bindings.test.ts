import { describe, expect, it } from 'vitest';
import { PARAMETERS, type Workflow } from '../src/index.js';
import { LOADABLE } from './fixtures.js';
import { loadFolder } from './folder.js';
import { loadAs, workflowCalled } from './requests.js';

function placesIn(template: Workflow): Record<string, string> {
  const places = PARAMETERS.map((parameter) => {
    const slots = template.bindings.slots[parameter].map(({ node, input }) => `${node}.${input}`);
    return [parameter, slots.sort().join(' ')] as const;
  });
  return Object.fromEntries(places.filter(([, slots]) => slots !== ''));
}

describe('findBindings', () => {
  it.each(LOADABLE)('finds every parameter, and only those there are, in $fixture: $what', async (loadable) => {
    const { fixture, kind, files, places } = loadable;
    const template = workflowCalled(await loadAs(kind, fixture, files), kind);
    expect(placesIn(template)).toEqual(places);
    expect(template.startsFromPicture).toBe(kind === 'img2img');
  });

  it.each([
    ['text2img', { ...shippedSampler('5'), width: '4.width', height: '4.height', count: '4.batch_size' }],
    ['img2img', { ...shippedSampler('7'), width: '5.width', height: '5.height', image: '4.image' }],
  ])('finds every parameter in the shipped %s', async (name, places) => {
    expect(placesIn(workflowCalled(await loadFolder(), name))).toEqual(places);
  });

  it('treats cfg as the guidance of a distilled model only if the conditioning has one', async () => {
    const flux = workflowCalled(await loadAs('text2img', 'flux-dev'), 'text2img');
    const sd3 = workflowCalled(await loadAs('text2img', 'sd3'), 'text2img');
    expect([flux.bindings.distilledGuidance, sd3.bindings.distilledGuidance]).toEqual([true, false]);
  });

  it('counts every SaveImage as an output and no PreviewImage, but sets the prefix of all three', async () => {
    const { bindings, outputs } = workflowCalled(await loadAs('text2img', 'two-saves'), 'text2img');
    expect(outputs.map(({ node }) => node)).toEqual(['7', '8']);
    expect(bindings.prefixes.map(({ node }) => node)).toEqual(['7', '8', '9']);
  });

  it('reads steps and denoise of a KSamplerAdvanced in the terms of KSampler', async () => {
    const { defaults } = workflowCalled(await loadAs('img2img', 'img2img-advanced'), 'img2img');
    expect(defaults).toMatchObject({ steps: 10, denoise: 0.4, cfg: 8, sampler: 'dpmpp_2m', scheduler: 'karras' });
  });

  it("keeps a template's seed exact beyond the range of JavaScript numbers", async () => {
    const { defaults } = workflowCalled(await loadAs('text2img', 'ksampler-advanced'), 'text2img');
    expect(defaults.seed).toBe('18446744073709551615');
  });

  it('starts from the sampler that the bindings file names by its title', async () => {
    const bindings = { text: '{"sampler": "Second pass"}' };
    const workflows = await loadAs('text2img', 'two-samplers', { 'text2img.bindings.json': bindings });
    expect(placesIn(workflowCalled(workflows, 'text2img'))).toMatchObject({ seed: '11.seed', denoise: '11.denoise' });
  });

  it('writes to the place that the bindings file names by node and input', async () => {
    const bindings = { text: '{"steps": {"node": "Some steps", "input": "high"}}' };
    const workflows = await loadAs('text2img', 'computed-steps', { 'text2img.bindings.json': bindings });
    expect(placesIn(workflowCalled(workflows, 'text2img')).steps).toBe('40.high');
  });

  it('does not touch a parameter to which the bindings file gives no place', async () => {
    const bindings = { text: '{"steps": []}' };
    const workflows = await loadAs('text2img', 'computed-steps', { 'text2img.bindings.json': bindings });
    expect(placesIn(workflowCalled(workflows, 'text2img')).steps).toBeUndefined();
  });
});

function shippedSampler(id: string): Record<string, string> {
  return {
    prompt: '2.text',
    negative_prompt: '3.text',
    seed: `${id}.seed`,
    steps: `${id}.steps`,
    cfg: `${id}.cfg`,
    sampler_name: `${id}.sampler_name`,
    scheduler: `${id}.scheduler`,
    denoise: `${id}.denoise`,
    checkpoint: '1.ckpt_name',
  };
}
