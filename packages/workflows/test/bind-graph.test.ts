import { FleetError } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { bindGraph, GRAPH, openGraph } from '../src/index.js';
import { LOADABLE } from './fixtures.js';
import { loadFolder } from './folder.js';
import { shapeFaults } from './node-shapes.js';
import { bind, FILES, inputsOf, loadAs, resolve, workflowCalled } from './requests.js';

describe('bindGraph', () => {
  it('writes every parameter of a request into the shipped text2img graph', async () => {
    const graph = bind(
      'text2img',
      {
        negative_prompt: 'fog',
        steps: 12,
        cfg: 4.5,
        sampler: 'heun',
        scheduler: 'karras',
        seed: 7,
        width: 512,
        height: 768,
        count: 3,
        checkpoint: 'other.safetensors',
      },
      await loadFolder(),
    );
    expect(inputsOf(graph, '1')).toEqual({ ckpt_name: 'other.safetensors' });
    expect(inputsOf(graph, '2').text).toBe('a fox');
    expect(inputsOf(graph, '3').text).toBe('fog');
    expect(inputsOf(graph, '4')).toEqual({ width: 512, height: 768, batch_size: 3 });
    expect(inputsOf(graph, '5')).toMatchObject({
      seed: 7n,
      steps: 12,
      cfg: 4.5,
      sampler_name: 'heun',
      scheduler: 'karras',
      denoise: 1,
    });
    expect(inputsOf(graph, '7').filename_prefix).toBe('job-1');
  });

  it('writes picture, size and denoise into the shipped img2img graph', async () => {
    const graph = bind('img2img', { denoise: 0.25, width: 640, height: 640 }, await loadFolder());
    expect(inputsOf(graph, '4').image).toBe('input.png');
    expect(inputsOf(graph, '5')).toMatchObject({ width: 640, height: 640 });
    expect(inputsOf(graph, '7').denoise).toBe(0.25);
  });

  it('writes the largest seed with all digits', async () => {
    const graph = bind('text2img', { seed: '18446744073709551615' }, await loadFolder());
    expect(inputsOf(graph, '5').seed).toBe(18446744073709551615n);
  });

  it('writes the full seed to the sampler when its primitive node has a smaller range', async () => {
    const graph = bind('text2img', { seed: '18446744073709551615' }, await loadAs('text2img', 'ksampler-advanced'));
    expect(inputsOf(graph, '5').noise_seed).toBe(18446744073709551615n);
    expect(inputsOf(graph, '20').value).toBe(9223372036854775807n);
  });

  it.each(LOADABLE)('leaves everything else in $fixture as it was', async ({ fixture, kind, files, places }) => {
    const workflows = await loadAs(kind, fixture, files);
    const { graph: before, bindings } = workflowCalled(workflows, kind);
    const graph = bind(kind, {}, workflows);
    const bound = new Set([
      ...Object.values(places).flatMap((slots) => slots.split(' ')),
      ...bindings.prefixes.map(({ node, input }) => `${node}.${input}`),
      ...bindings.windows.flatMap(({ node }) => [`${node}.steps`, `${node}.start_at_step`, `${node}.end_at_step`]),
    ]);
    for (const [id, node] of Object.entries(before)) {
      for (const [input, value] of Object.entries(node.inputs)) {
        if (!bound.has(`${id}.${input}`)) expect(inputsOf(graph, id)[input], `${id}.${input}`).toEqual(value);
      }
      expect(graph[id]).toMatchObject({ class_type: node.class_type, _meta: node._meta });
    }
    expect(Object.keys(graph)).toEqual(Object.keys(before));
  });

  it.each(LOADABLE)('makes of $fixture a graph that the recorded node descriptions allow', async (loadable) => {
    const { fixture, kind, files } = loadable;
    const graph = bind(kind, { count: 2, seed: '18446744073709551615' }, await loadAs(kind, fixture, files));
    expect(shapeFaults(graph)).toEqual([]);
  });

  it.each(['text2img', 'img2img'] as const)('makes of the shipped %s a graph that ComfyUI allows', async (kind) => {
    expect(shapeFaults(bind(kind, { count: 2 }, await loadFolder()))).toEqual([]);
  });

  it('writes the whole prompt to all texts of an encoder for several text models', async () => {
    const graph = bind('text2img', {}, await loadAs('text2img', 'sd3'));
    expect(inputsOf(graph, '6')).toMatchObject({ clip_l: 'a fox', clip_g: 'a fox', t5xxl: 'a fox' });
  });

  it("changes the size of nodes that had the picture's size, and keeps other sizes", async () => {
    const graph = bind('text2img', { width: 640, height: 832 }, await loadAs('text2img', 'sdxl-lora'));
    expect(inputsOf(graph, '6')).toMatchObject({ width: 640, height: 832, target_width: 640, target_height: 832 });
    expect(inputsOf(graph, '7')).toMatchObject({ width: 4096, height: 4096, target_width: 640, target_height: 832 });
  });

  it('writes a unique prefix to every node that saves or shows', async () => {
    const graph = bind('text2img', {}, await loadAs('text2img', 'two-saves'));
    expect(['7', '8', '9'].map((id) => inputsOf(graph, id).filename_prefix)).toEqual(['job-1', 'job-2', 'job-3']);
  });

  it('makes one picture by default, whatever batch the template was saved with', async () => {
    const graph = bind('text2img', {}, await loadAs('text2img', 'batch'));
    expect(inputsOf(graph, '4').batch_size).toBe(1);
  });

  it('repeats the encoded picture between encoder and sampler for more than one picture', async () => {
    const graph = bind('img2img', { count: 4 }, await loadFolder());
    expect(inputsOf(graph, '7').latent_image).toEqual(['repeat', 0]);
    expect(graph.repeat).toMatchObject({
      class_type: 'RepeatLatentBatch',
      inputs: { samples: ['6', 0], amount: 4 },
    });
  });

  it('uses a free id for the repeating node', async () => {
    const workflows = await loadFolder();
    const template = workflowCalled(workflows, 'img2img');
    const taken = { ...template, graph: { ...template.graph, repeat: { class_type: 'Note', inputs: {} } } };
    const resolved = resolve('img2img', { prompt: 'a fox', count: 2 }, workflows);
    const graph = bindGraph(taken, resolved, { filenamePrefix: 'job', files: FILES });
    expect(graph.repeat?.class_type).toBe('Note');
    expect(graph.repeat_?.class_type).toBe('RepeatLatentBatch');
  });

  it('uses the RepeatLatentBatch that a template already has', async () => {
    const graph = bind('img2img', { count: 4 }, await loadAs('img2img', 'img2img-inpaint'));
    expect(inputsOf(graph, '8').amount).toBe(4);
    expect(Object.keys(graph)).not.toContain('repeat');
  });

  it.each([
    ['the whole of it', 1, 30, 0],
    ['a third of it', 0.35, 85, 55],
    ['nothing', 0, 30, 30],
    ['more steps than ComfyUI takes', 0.001, 10_000, 9_970],
  ])('sets the window of a KSamplerAdvanced so that 30 steps remake %s', async (_what, denoise, steps, start) => {
    const graph = bind('img2img', { steps: 30, denoise }, await loadAs('img2img', 'img2img-advanced'));
    expect(inputsOf(graph, '5')).toMatchObject({ steps, start_at_step: start, end_at_step: 10_000 });
  });

  it("divides other steps between base and refiner in the template's proportion", async () => {
    const files = { 'text2img.bindings.json': { fixture: 'base-refiner.bindings' } };
    const graph = bind('text2img', { steps: 50 }, await loadAs('text2img', 'base-refiner', files));
    expect(inputsOf(graph, '8')).toMatchObject({ steps: 50, start_at_step: 0, end_at_step: 40 });
    expect(inputsOf(graph, '9')).toMatchObject({ steps: 50, start_at_step: 40, end_at_step: 10_000 });
  });

  it('refuses to bind a template that starts from a picture without one', async () => {
    const workflows = await loadFolder();
    const resolved = resolve('img2img', { prompt: 'a fox' }, workflows);
    const attempt = () =>
      bindGraph(workflowCalled(workflows, 'img2img'), resolved, { filenamePrefix: 'job', files: new Map() });
    expect(attempt).toThrow(FleetError);
    expect(attempt).toThrow('input_missing');
  });

  it('keeps what a formula makes within the bounds of the request', () => {
    const { workflow } = openGraph(
      {
        1: { class_type: 'ComfyMathExpression', inputs: { expression: '3064\n- 3000' } },
        2: { class_type: 'SaveImage', inputs: { images: ['9', 0] } },
        9: { class_type: 'EmptyImage', inputs: { width: ['1', 1] } },
      },
      { catalogue: undefined },
    );
    const request = { workflow: GRAPH, version: '', lod: 'mid', inputs: {}, priority: 0, metadata: {} } as const;
    const graph = bindGraph(workflow, { ...request, bounds: { 1: { least: -0.5, most: 64 } } }, { files: new Map() });
    expect(inputsOf(graph, '1').expression).toBe('max(-0.5, min(64, (3064\n- 3000)))');
  });
});
