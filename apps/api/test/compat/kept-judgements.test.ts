import { type Catalogue, type NodeErrors, openGraph } from '@comfy-fleet/workflows';
import { describe, expect, it } from 'vitest';
import { createKeptJudgements, type GraphText } from '../../src/compat/comfyui/prompts/kept-judgements.js';
import { createTemplates } from '../../src/compat/comfyui/prompts/templates.js';

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
  interface How {
    readonly nodeErrors?: NodeErrors;
    readonly catalogue?: Catalogue;
    readonly text?: GraphText;
  }
  const judge = (graph: Record<number, object>, { nodeErrors = {}, catalogue = CATALOGUE, text }: How = {}) => {
    const judgement = () => {
      judged += 1;
      const { 3: _unneeded, ...needed }: Record<number, object> = graph;
      const outputs = ['2'];
      return { opened: openGraph(needed, { catalogue, outputs, maxNodes: 9 }), outputs, nodeErrors };
    };
    return kept(graph, catalogue, judgement, text);
  };
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
  judge(graphOf(1), { nodeErrors: faults });
  judge(graphOf(2), { nodeErrors: faults });
  expect(times()).toBe(2);
});

describe('of prompts that are sent again', () => {
  /** Sends bodies as text, and answers with each judgement whether its text was like one before. */
  function sending() {
    const { judge, times } = judging();
    const templates = createTemplates();
    const send = (
      graph: object,
      { catalogue = CATALOGUE, ...more }: { catalogue?: Catalogue } & Record<string, unknown> = {},
    ) => {
      const body = JSON.stringify({ ...more, prompt: graph });
      const { value, ...parsed } = templates.parse(body);
      const learn: GraphText['learn'] = (isOpen) => templates.learn(body, value, isOpen);
      const sent = (value as { prompt: Record<number, object> }).prompt;
      return {
        ...judge(sent, { catalogue, text: { ...parsed, learn, isKnown: templates.has } }),
        isLike: parsed.template !== undefined,
      };
    };
    return { send, times };
  }
  const likenessOf = (judged: readonly { readonly isLike: boolean }[]) => judged.map(({ isLike }) => isLike);

  it('judges one once, and opens what came', () => {
    const { send, times } = sending();
    for (const [seed, isLike] of [
      [1, false],
      [2, false],
      [3, true],
      [2, true],
      [4, true],
    ] as const) {
      const judged = send(graphOf(seed));
      expect(judged).toMatchObject({ isLike, outputs: ['2'], nodeErrors: {} });
      expect(judged.opened.workflow.graph).toEqual({ 1: graphOf(seed)[1], 2: graphOf(seed)[2] });
      expect(judged.opened.workflow.version).toBe(judging().judge(graphOf(seed)).opened.workflow.version);
    }
    expect(times()).toBe(1);
  });

  it('judges one whose seed is not taken', () => {
    const { send, times } = sending();
    expect(likenessOf([1, 2, -1, 3].map((seed) => send(graphOf(seed))))).toEqual([false, false, true, true]);
    expect(times()).toBe(2);
  });

  it('judges it again by what instances have by then, whatever it had in it before', () => {
    const { send, times } = sending();
    const narrow = { required: { seed: ['INT', { min: 0, max: 5 }], style: [['oil', 'ink'], {}] } };
    const catalogue = { ...CATALOGUE, Drawing: { ...CATALOGUE.Drawing, input: narrow } };
    for (const seed of [8, 8, 1]) send(graphOf(seed));
    expect(times()).toBe(1);
    for (const seed of [1, 2, 3]) send(graphOf(seed), { catalogue });
    expect(times()).toBe(2);
    send(graphOf(8), { catalogue });
    expect(times()).toBe(3);
  });

  it('is like one that has another client, and unlike one that has something else in its graph', () => {
    const { send, times } = sending();
    send(graphOf(1), { client_id: 'a' });
    send(graphOf(2), { client_id: 'b' });
    expect(send(graphOf(3), { client_id: 'c' }).isLike).toBe(true);
    expect(send(graphOf(3, 'ink'), { client_id: 'c' }).isLike).toBe(false);
    expect(times()).toBe(2);
  });

  it('learns texts of a graph again whose earlier ones are no longer compared', () => {
    const { send } = sending();
    const isLike = (n: number) => send(graphOf(n), { extra_data: Array.from({ length: n }, () => true) }).isLike;
    for (let n = 0; n < 9; n++) isLike(n);
    const other = (n: number, seed: number) =>
      send({ ...graphOf(seed), 2: { ...graphOf(seed)[2], _meta: { title: `${n}` } } });
    for (let n = 0; n < 64; n++) for (const seed of [1, 2]) other(n, seed);
    expect([isLike(8), isLike(8)]).toEqual([false, true]);
  });

  it('learns a few texts for a graph, and no more', () => {
    const { send } = sending();
    const isLike = (n: number) => send(graphOf(n), { extra_data: Array.from({ length: n }, () => true) }).isLike;
    for (let n = 0; n < 12; n++) isLike(n);
    expect([1, 2, 8, 9, 10].map(isLike)).toEqual([true, true, true, false, false]);
  });
});
