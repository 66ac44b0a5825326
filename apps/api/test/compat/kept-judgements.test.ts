import { type NodeErrors, openGraph } from '@comfy-fleet/workflows';
import { expect, it } from 'vitest';
import { createKeptJudgements } from '../../src/compat/comfyui/prompts/kept-judgements.js';

const CATALOGUE = {
  Drawing: { input: { required: { seed: ['INT', { min: 0 }], style: [['oil', 'ink'], {}] } }, output: ['IMAGE'] },
  SaveImage: { input: { required: { images: ['IMAGE'] } }, output: [], output_node: true },
};
const graphOf = (seed: number, style = 'oil') => ({
  1: { class_type: 'Drawing', inputs: { seed, style } },
  2: { class_type: 'SaveImage', inputs: { images: ['1', 0] } },
  3: { class_type: 'Drawing', inputs: { seed: 1, style: 'ink' } },
});

function judging() {
  const kept = createKeptJudgements();
  let judged = 0;
  const judge = (graph: Record<number, object>, nodeErrors: NodeErrors = {}) =>
    kept(graph, CATALOGUE, () => {
      judged += 1;
      const { 3: _unneeded, ...needed }: Record<number, object> = graph;
      const outputs = ['2'];
      return { opened: openGraph(needed, { catalogue: CATALOGUE, outputs, maxNodes: 9 }), outputs, nodeErrors };
    });
  return { judge, times: () => judged };
}

it('judges a graph once that comes again with another seed, and opens what came', () => {
  const { judge, times } = judging();
  const first = judge(graphOf(1));
  const second = judge(graphOf(2));
  expect(times()).toBe(1);
  expect(first.opened.workflow.graph).toMatchObject({ 1: { inputs: { seed: 1 } } });
  expect(second.opened.workflow.graph).toEqual({ 1: graphOf(2)[1], 2: graphOf(2)[2] });
  expect(second.opened.workflow.version).not.toBe(first.opened.workflow.version);
  expect(second.opened.shape).toBe(first.opened.shape);
});

it('opens all of a graph whose nodes are all needed', () => {
  const { judge, times } = judging();
  const whole = (seed: number) => ({ 1: graphOf(seed)[1], 2: graphOf(seed)[2] });
  judge(whole(1));
  expect(judge(whole(2)).opened.workflow.graph).toEqual(whole(2));
  expect(times()).toBe(1);
});

it('judges another that has something else in it, or a seed that is not taken', () => {
  const { judge, times } = judging();
  judge(graphOf(1));
  judge(graphOf(1, 'ink'));
  judge(graphOf(-1));
  expect(times()).toBe(3);
});

it('judges one with faults each time', () => {
  const { judge, times } = judging();
  const faults = { 1: { errors: [], dependent_outputs: [], class_type: 'Drawing' } };
  judge(graphOf(1), faults);
  judge(graphOf(2), faults);
  expect(times()).toBe(2);
});
