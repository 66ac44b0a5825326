import { ConfigError, loadConfig, type WarmUpSettings } from '@comfy-fleet/config';
import { loadWorkflows } from '@comfy-fleet/workflows';
import { expect, it } from 'vitest';
import { orderWarmUp } from '../src/instance/warm-up-order.js';

const workflows = await loadWorkflows('workflows');
const order = (settings: WarmUpSettings) => orderWarmUp(settings, workflows, loadConfig({}).limits);

it('gives a warm-up the values that a request with its inputs would have, and the time of its level of detail', () => {
  const { sketch } = workflows.profiles;
  const { workflow, request, deadlineMs } = order({
    workflow: 'text2img',
    inputs: { prompt: 'warm up', lod: 'sketch' },
  });
  expect(workflow.name).toBe('text2img');
  expect(request).toMatchObject({ workflow: 'text2img', inputs: { prompt: 'warm up', steps: sketch.steps } });
  expect(deadlineMs).toBe(sketch.deadlineSeconds * 1000);
});

it.each([
  ['another', { prompt: 'a' }, 'WARM_UP_WORKFLOW=another: there is no such workflow; there are img2img, text2img'],
  [
    'img2img',
    { prompt: 'a' },
    'WARM_UP_WORKFLOW=img2img: starts from a file; name one that starts from nothing but text',
  ],
  ['text2img', { prompt: 'a', seed: '99999999999999999999' }, /^WARM_UP_INPUTS: \/seed must be a whole number/],
])('says what is wrong with a warm-up of %s with %o', (workflow, inputs, fault) => {
  const faults = () => {
    try {
      return order({ workflow, inputs });
    } catch (error) {
      return error instanceof ConfigError && error.faults;
    }
  };
  expect(faults()).toEqual([expect.stringMatching(fault)]);
});
