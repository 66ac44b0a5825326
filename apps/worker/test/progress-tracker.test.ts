import type { SocketEvent } from '@comfy-fleet/comfyui';
import { describe, expect, it } from 'vitest';
import { NodeWork, ProgressTracker } from '../src/submission/progress-tracker.js';

const graph = {
  '1': { class_type: 'CheckpointLoaderSimple', inputs: {} },
  '5': { class_type: 'KSampler', inputs: { model: ['1', 0] } },
  '7': { class_type: 'SaveImage', inputs: { images: ['5', 0] } },
};
const promptId = 'p';
const workOf = (inputs: Readonly<Record<string, number>>) => new NodeWork(graph, { inputs });
const UNSEEN = { work: workOf({ steps: 8 }), times: new Map<string, number>() };
const node = (id: string): SocketEvent => ({ type: 'node', promptId, node: id });
const progress = (value: number, max: number): SocketEvent => ({ type: 'progress', promptId, node: '5', value, max });
const finished = (id: string): SocketEvent => ({
  type: 'progress_state',
  promptId,
  nodes: [{ node: id, value: 1, max: 1, state: 'finished' }],
});

it('weighs the sampler by its steps, from the first node on', () => {
  const tracker = new ProgressTracker(graph, UNSEEN);
  tracker.take(node('1'));
  tracker.take(finished('1'));
  expect(tracker.progress).toEqual({
    fraction: 0.1,
    step: null,
    steps: null,
    node: 'CheckpointLoaderSimple',
    nodeId: '1',
    nodeClass: 'CheckpointLoaderSimple',
    nodes: { done: 1, total: 3 },
  });
  tracker.take(node('5'));
  tracker.take(progress(4, 8));
  expect(tracker.progress).toMatchObject({ fraction: 0.5, step: 4, steps: 8, nodeId: '5', nodes: { done: 1 } });
});

it('weighs a sampler that has just begun by the steps it will have', () => {
  const tracker = new ProgressTracker(graph, UNSEEN);
  tracker.take(finished('1'));
  tracker.take({ type: 'progress_state', promptId, nodes: [{ node: '5', value: 0, max: 1, state: 'running' }] });
  tracker.take(node('5'));
  expect(tracker.progress).toMatchObject({ fraction: 0.1, step: null, nodeId: '5' });
});

it('leaves cached nodes out of the fraction, because they take no time, and counts them as done', () => {
  const tracker = new ProgressTracker(graph, UNSEEN);
  tracker.take({ type: 'cached', promptId, nodes: ['1', '7'] });
  tracker.take(progress(4, 8));
  expect(tracker.progress).toMatchObject({ fraction: 0.5, nodes: { done: 2 } });
  const whole = new ProgressTracker(graph, UNSEEN);
  whole.take({ type: 'cached', promptId, nodes: ['1', '5', '7'] });
  expect(whole.progress.fraction).toBe(1);
});

it('never falls, whatever the socket reports', () => {
  const tracker = new ProgressTracker(graph, UNSEEN);
  tracker.take(progress(6, 8));
  const before = tracker.progress.fraction;
  tracker.take(progress(1, 8));
  expect(tracker.progress.fraction).toBe(before);
  tracker.take(progress(7, 8));
  expect(tracker.progress.fraction).toBeGreaterThan(before);
});

it('weighs nodes by their learned times, and a running sampler by its steps', () => {
  const work = workOf({ steps: 8, width: 1024, height: 1024 });
  const times = new Map([
    ['1', 6000],
    ['5', 3000 / 8],
    ['7', 1000],
  ]);
  const tracker = new ProgressTracker(graph, { work, times });
  tracker.take(node('1'));
  tracker.take(finished('1'));
  expect(tracker.progress.fraction).toBe(0.6);
  tracker.take(node('5'));
  tracker.take(progress(4, 8));
  expect(tracker.progress.fraction).toBe(0.75);
});

describe('times learned from sketches of 8 steps and 512×320 pixels', () => {
  const sketch = workOf({ steps: 8, width: 512, height: 320 });
  const times = new Map([
    ['1', 2000],
    ['5', 400 / sketch.of('5', 8)],
    ['7', 100 / sketch.of('7')],
  ]);
  /** The fraction after the loader, at a step of the sampler. */
  const fractionAt = (step: number, steps: number, inputs: Readonly<Record<string, number>>) => {
    const tracker = new ProgressTracker(graph, { work: workOf({ steps, ...inputs }), times });
    tracker.take(finished('1'));
    tracker.take(node('5'));
    tracker.take(progress(step, steps));
    return tracker.progress.fraction;
  };

  it('are scaled by steps, pixels and pictures for the sampler, and by pixels and pictures after it', () => {
    const [sampler, save, loader] = [400 * (30 / 8) * 4, 100 * 4, 2000];
    const final = { width: 1024, height: 640 };
    expect(fractionAt(15, 30, final)).toBeCloseTo((loader + sampler / 2) / (loader + sampler + save), 3);
    expect(fractionAt(15, 30, { ...final, count: 3 })).toBeCloseTo(
      (loader + 3 * (sampler / 2)) / (loader + 3 * (sampler + save)),
      3,
    );
    expect(fractionAt(8, 8, { width: 512, height: 320 })).toBeCloseTo(2400 / 2500, 3);
  });

  it('are scaled by the steps of the request until the sampler has reported its own', () => {
    const tracker = new ProgressTracker(graph, { work: workOf({ steps: 30, width: 1024, height: 640 }), times });
    tracker.take(finished('1'));
    expect(tracker.progress.fraction).toBeCloseTo(2000 / (2000 + 6000 + 400), 3);
  });
});

it('shows the first of thirty steps as a thirtieth after jobs with one step', () => {
  const single = workOf({ steps: 1, width: 64, height: 64 });
  const times = new Map([
    ['1', 500],
    // ComfyUI reports no steps when there is only one.
    ['5', 20 / single.of('5')],
  ]);
  const tracker = new ProgressTracker(graph, { work: workOf({ steps: 30, width: 64, height: 64 }), times });
  tracker.take({ type: 'cached', promptId, nodes: ['1'] });
  tracker.take(node('5'));
  tracker.take(progress(1, 30));
  expect(tracker.progress.fraction).toBeCloseTo(1 / 30, 2);
});

it('uses the steps of the graph as those of the request', () => {
  const saved = { ...graph, '5': { ...graph['5'], inputs: { ...graph['5'].inputs, steps: 4 } } };
  const work = new NodeWork(saved, { inputs: {} });
  expect([work.stepsOf('5'), work.stepsOf('1'), workOf({}).stepsOf('5')]).toEqual([4, 1, 20]);
});

it('counts a node that only chooses a sampler as one without steps', () => {
  const work = new NodeWork(
    { '1': { class_type: 'KSamplerSelect', inputs: { sampler_name: 'euler' } } },
    { inputs: {} },
  );
  expect(work.of('1')).toBe(1);
});

it('names a node by its title', () => {
  const titled = { '5': { class_type: 'KSampler', inputs: {}, _meta: { title: 'First pass' } } };
  const tracker = new ProgressTracker(titled, UNSEEN);
  tracker.take(node('5'));
  expect(tracker.progress.node).toBe('First pass');
});

it('shortens a long title, which would fill the events of the job', () => {
  const titled = { 5: { class_type: 'KSampler', inputs: {}, _meta: { title: 't'.repeat(100_000) } } };
  const tracker = new ProgressTracker(titled, UNSEEN);
  tracker.take(node('5'));
  expect(tracker.progress.node).toBe('t'.repeat(200));
});

it("reports which node an expanded node came from, and uses that one's title", () => {
  const tracker = new ProgressTracker(graph, UNSEEN);
  const expandedFrom = { display: '5', parent: '5', real: '5' };
  const nodes = [{ node: '5.0.0.1', value: 0, max: 1, state: 'running', expandedFrom }];
  tracker.take({ type: 'progress_state', promptId, nodes });
  tracker.take(node('5.0.0.1'));
  expect(tracker.progress).toMatchObject({ nodeId: '5.0.0.1', node: 'KSampler', expandedFrom });
  tracker.take(node('7'));
  expect(tracker.progress).not.toHaveProperty('expandedFrom');
});
