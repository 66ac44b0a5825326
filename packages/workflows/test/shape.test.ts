import { expect, it } from 'vitest';
import { shapeOf } from '../src/open-graph.js';

const graph = (over: Readonly<Record<string, unknown>> = {}, checkpoint = 'a.safetensors') => ({
  '1': { class_type: 'CheckpointLoaderSimple', inputs: { ckpt_name: checkpoint } },
  '5': { class_type: 'KSampler', inputs: { model: ['1', 0], seed: 1n, steps: 20, sampler_name: 'euler', ...over } },
  '6': { class_type: 'CLIPTextEncode', inputs: { text: 'a fox', clip: ['1', 1] } },
});

it('is the same for graphs that differ in texts and seeds, and in the order of their nodes', () => {
  const shape = shapeOf(graph(), undefined);
  expect(shapeOf(graph({ seed: 2n ** 63n, sampler_name: 'heun' }), undefined)).toBe(shape);
  expect(shapeOf(Object.fromEntries(Object.entries(graph()).reverse()), undefined)).toBe(shape);
});

it('differs for other steps, models and links', () => {
  const shapes = [graph(), graph({ steps: 21 }), graph({}, 'b.safetensors'), graph({ model: ['6', 0] })].map((one) =>
    shapeOf(one, undefined),
  );
  expect(new Set(shapes).size).toBe(4);
});

it('begins the same for other amounts, but not for another model', () => {
  const kindOf = (one: ReturnType<typeof graph>) => shapeOf(one, undefined).split('.')[0];
  expect(kindOf(graph({ steps: 21 }))).toBe(kindOf(graph()));
  expect(kindOf(graph({}, 'b.safetensors'))).not.toBe(kindOf(graph()));
});

it('accepts integers beyond 2^53 among the options', () => {
  const catalogue = { KSampler: { input: { required: { sampler_name: [[1, 2], {}] } } } };
  const shapes = [2n ** 60n, 2n ** 61n].map((option) => shapeOf(graph({ sampler_name: option }), catalogue));
  expect(shapes[0]).not.toBe(shapes[1]);
});

it('differs for another option, as far as a catalogue tells', () => {
  const catalogue = { KSampler: { input: { required: { sampler_name: [['euler', 'heun'], {}] } } } };
  expect(shapeOf(graph(), catalogue)).not.toBe(shapeOf(graph({ sampler_name: 'heun' }), catalogue));
});
