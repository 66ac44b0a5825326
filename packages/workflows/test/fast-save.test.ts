import { expect, it } from 'vitest';
import { fastSaveNodes, type Graph, type GraphNode, isFastSaved, withFastSave, withoutFastSave } from '../src/index.js';

type Change = Readonly<Record<string, { readonly class_type?: string; readonly inputs?: Record<string, unknown> }>>;

/** A text2img whose one picture is saved, with other classes or inputs, or with further nodes. */
function graphWith(changes: Change = {}): Graph {
  const graph: Graph = {
    1: { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: 'base.safetensors' } },
    2: { class_type: 'CLIPTextEncode', inputs: { text: 'a tram', clip: ['1', 1] } },
    3: { class_type: 'EmptyLatentImage', inputs: { width: 512, height: 768, batch_size: 1 } },
    4: {
      class_type: 'KSampler',
      inputs: {
        ...{ seed: 18446744073709551615n, steps: 4, cfg: 8, sampler_name: 'euler', scheduler: 'normal', denoise: 1 },
        ...{ model: ['1', 0], positive: ['2', 0], negative: ['2', 0], latent_image: ['3', 0] },
      },
    },
    5: { class_type: 'VAEDecode', inputs: { samples: ['4', 0], vae: ['1', 2] } },
    6: { class_type: 'SaveImage', inputs: { images: ['5', 0], filename_prefix: 'x' } },
  };
  for (const [id, { class_type = graph[id]?.class_type ?? '', inputs }] of Object.entries(changes)) {
    graph[id] = { class_type, inputs: { ...graph[id]?.inputs, ...inputs } };
  }
  return graph;
}

it('replaces SaveImage where one decoded picture of a known size is saved', () => {
  const graph = graphWith();
  expect(fastSaveNodes(graph)).toEqual(new Map([['6', JSON.stringify({ 1: graph[1] })]]));
  const fast = withFastSave(graph, ['6']);
  expect(fast).toMatchObject({
    6: { class_type: 'SaveAnimatedWEBP', inputs: { images: ['5', 0], lossless: true, method: 'fastest' } },
  });
  expect([Object.keys(fast), graph[6]?.class_type]).toEqual([Object.keys(graph), 'SaveImage']);
});

it.each<[string, Change]>([
  ['several pictures, of which a WebP would join identical ones', { 3: { inputs: { batch_size: 2 } } }],
  ['an unknown number of pictures', { 3: { inputs: { batch_size: ['9', 0] } }, 9: { class_type: 'Roll' } }],
  ['a side that no WebP can have', { 3: { inputs: { width: 16384, height: 8 } } }],
  ['more pixels than the worker decodes', { 3: { inputs: { width: 4096, height: 4104 } } }],
  ['a picture of unknown size', { 4: { inputs: { latent_image: ['9', 0] } }, 9: { class_type: 'LoadLatent' } }],
  ['a picture that was not decoded', { 5: { class_type: 'ImageInvert' } }],
  ['a node whose picture another one uses', { 7: { class_type: 'PreviewAny', inputs: { source: ['6', 0] } } }],
  ['a node with another input', { 6: { inputs: { quality: 90 } } }],
  ['a linked name', { 6: { inputs: { filename_prefix: ['2', 0] } } }],
  [
    'a graph with a SaveAnimatedWEBP of its own',
    { 7: { class_type: 'SaveAnimatedWEBP', inputs: { images: ['5', 0] } } },
  ],
])('does not replace SaveImage for %s', (_what, changes) => {
  expect(fastSaveNodes(graphWith(changes))).toEqual(new Map());
});

it('restores the text that SaveImage would have written, whatever the prompt contains', () => {
  const text = 'a "class_type": "SaveAnimatedWEBP", "fps": 1.0, "lossless": true, "quality": 0, "method": "fastest"';
  const graph = graphWith({ 2: { inputs: { text } }, 4: { inputs: { seed: 7 } } });
  // As Python's json.dumps writes it; ComfyUI has converted fps to a float.
  const dumped = (one: Graph) =>
    JSON.stringify(one, undefined, 1)
      .replace(/,\n\s*/g, ', ')
      .replace(/\n\s*/g, '');
  const fast = withFastSave(graph, ['6']);
  const written = dumped(fast).replace('"fps": 1,', '"fps": 1.0,');
  const withTitle = { ...graph, 6: { ...(graph[6] as GraphNode), _meta: { title: 'SaveImage' } } };
  expect(withoutFastSave(written)).toBe(dumped(withTitle));
});

it('recognises a WebP that a SaveImage node saved', () => {
  const graph = graphWith({ 7: { class_type: 'SaveAnimatedWEBP' } });
  expect(isFastSaved(graph, '6', 'x_00001_.webp')).toBe(true);
  expect(isFastSaved(graph, '6', 'x_00001_.png')).toBe(false);
  expect(isFastSaved(graph, '7', 'x_00001_.webp')).toBe(false);
});
