import { ConfigError, loadConfig, type WarmUpSettings } from '@comfy-fleet/config';
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
const order = (settings: WarmUpSettings) => orderWarmUp(settings, { ...workflows, byName }, loadConfig({}).limits);

it('gives a warm-up the same values and deadline as a request with its inputs', () => {
  const { sketch } = workflows.profiles;
  const { workflow, request, deadlineMs } = order({
    workflow: 'text2img',
    body: { prompt: 'warm up', lod: 'sketch' },
  });
  expect(workflow.name).toBe('text2img');
  expect(request).toMatchObject({ workflow: 'text2img', inputs: { prompt: 'warm up', steps: sketch.steps } });
  expect(deadlineMs).toBe(sketch.deadlineSeconds * 1000);
});

it('gives a warm-up of any other workflow the inputs that it takes', () => {
  expect(order({ workflow: 'colour', body: {} }).request.inputs).toEqual({ tint: 255 });
  const { request, deadlineMs } = order({ workflow: 'colour', body: { inputs: { tint: 7 } } });
  expect([request.workflow, request.inputs, deadlineMs]).toEqual(['colour', { tint: 7 }, 600_000]);
});

it.each<[string, WarmUpSettings['body'], string | RegExp]>([
  [
    'another',
    { prompt: 'a' },
    'WARM_UP_WORKFLOW=another: there is no such workflow; there are img2img, text2img, colour',
  ],
  ['img2img', { prompt: 'a' }, 'WARM_UP_WORKFLOW=img2img: it takes an input file; choose a workflow without one'],
  ['colour', { inputs: { shade: 1 } }, /^WARM_UP_INPUTS: \/inputs\/shade is not an input of the workflow colour/],
  ['text2img', { prompt: 'a', seed: '99999999999999999999' }, /^WARM_UP_INPUTS: \/seed must be a whole number/],
])('reports what is wrong with a warm-up of %s with %o', (workflow, body, fault) => {
  const faults = () => {
    try {
      return order({ workflow, body });
    } catch (error) {
      return error instanceof ConfigError && error.faults;
    }
  };
  expect(faults()).toEqual([expect.stringMatching(fault)]);
});
