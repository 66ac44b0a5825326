import { ConfigError, loadConfig } from '@comfy-fleet/config';
import { loadWorkflows, openUpload } from '@comfy-fleet/workflows';
import { expect, it } from 'vitest';
import { orderWarmUp } from '../src/upkeep/warm-up-order.js';

const workflows = await loadWorkflows('workflows');
const colour = openUpload(
  'colour',
  JSON.stringify({
    1: {
      class_type: 'EmptyImage',
      inputs: { width: 64, height: 64, batch_size: 1, color: 255 },
      _meta: { title: 'input:tint.color' },
    },
    2: { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: 'x' } },
  }),
);
const byName = new Map([...workflows.byName, ['colour', colour]]);
const order = (name: string) => orderWarmUp(name, { ...workflows, byName }, loadConfig({}).limits);

it('gives a warm-up with text2img the values and deadline of a sketch', () => {
  const { sketch } = workflows.profiles;
  const { workflow, request, deadlineMs } = order('text2img');
  expect(workflow.name).toBe('text2img');
  expect(request).toMatchObject({ workflow: 'text2img', inputs: { prompt: 'warm up', steps: sketch.steps } });
  expect(deadlineMs).toBe(sketch.deadlineSeconds * 1000);
});

it('gives a warm-up with any other workflow the values of its graph', () => {
  const { request, deadlineMs } = order('colour');
  expect([request.workflow, request.inputs, deadlineMs]).toEqual(['colour', { tint: 255 }, 600_000]);
});

it.each([
  ['another', 'WARM_UP_WORKFLOW=another: there is no such workflow; there are img2img, text2img, colour'],
  ['img2img', 'WARM_UP_WORKFLOW=img2img: it takes an input file; choose a workflow without one'],
])('reports what is wrong with a warm-up with %s', (name, fault) => {
  expect(() => order(name)).toThrow(new ConfigError([fault]));
});
