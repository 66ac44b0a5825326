import { readFileSync } from 'node:fs';
import { loadConfig } from '@comfy-fleet/config';
import { openWorkflow } from '@comfy-fleet/workflows';
import { expect, it } from 'vitest';
import { createInputsCheck } from '../src/orders/inputs-check.js';

it('describes a workflow once for requests with the same catalogue and limits, and again when either changes', () => {
  const text = readFileSync(new URL('../../../workflows/text2img.json', import.meta.url), 'utf8');
  const opened = openWorkflow('mine', JSON.stringify({ graph: JSON.parse(text) }));
  let described = 0;
  const workflow: typeof opened = {
    ...opened,
    describe: (...about) => {
      described += 1;
      return opened.describe(...about);
    },
  };
  const { limits } = loadConfig({});
  const check = createInputsCheck();
  const sampler = { input: { required: { steps: ['INT', { max: 20 }] } }, output_node: false };
  const ask = (steps: number, catalogue = { KSampler: sampler }, given = limits) =>
    check(workflow, { catalogue, limits: given, inputs: { prompt: 'x', steps }, sent: [], isForm: false });
  expect([ask(5).steps, ask(6).steps]).toEqual([5, 6]);
  expect(described).toBe(1);
  expect(() => ask(21)).toThrow();
  expect(ask(21, { KSampler: { ...sampler, input: { required: { steps: ['INT', { max: 30 }] } } } }).steps).toBe(21);
  expect(described).toBe(2);
  expect(() => ask(21, undefined, { ...limits, maxSteps: 10 })).toThrow();
  expect(described).toBe(3);
});
