import type { SocketEvent } from '@comfy-fleet/comfyui';
import { expect, it } from 'vitest';
import { ProgressTracker } from '../src/job/progress-tracker.js';

const graph = {
  '1': { class_type: 'CheckpointLoaderSimple', inputs: {} },
  '5': { class_type: 'KSampler', inputs: {} },
  '7': { class_type: 'SaveImage', inputs: {} },
};
const promptId = 'p';
const UNSEEN = { steps: 8, times: new Map<string, number>() };
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

it('counts cached nodes as done', () => {
  const tracker = new ProgressTracker(graph, UNSEEN);
  tracker.take({ type: 'cached', promptId, nodes: ['1', '5'] });
  expect(tracker.progress.fraction).toBeGreaterThan(0.6);
});

it('never falls, whatever the socket says', () => {
  const tracker = new ProgressTracker(graph, UNSEEN);
  tracker.take(progress(6, 8));
  const before = tracker.progress.fraction;
  tracker.take(progress(1, 8));
  expect(tracker.progress.fraction).toBe(before);
  tracker.take(progress(7, 8));
  expect(tracker.progress.fraction).toBeGreaterThan(before);
});

it('weighs nodes by the times that were learned of them, and a sampler under way by its steps', () => {
  const times = new Map([
    ['1', 6000],
    ['5', 3000],
    ['7', 1000],
  ]);
  const tracker = new ProgressTracker(graph, { steps: 8, times });
  tracker.take(node('1'));
  tracker.take(finished('1'));
  expect(tracker.progress.fraction).toBe(0.6);
  tracker.take(node('5'));
  tracker.take(progress(4, 8));
  expect(tracker.progress.fraction).toBe(0.75);
});

it('calls a node by its title', () => {
  const titled = { '5': { class_type: 'KSampler', inputs: {}, _meta: { title: 'First pass' } } };
  const tracker = new ProgressTracker(titled, UNSEEN);
  tracker.take(node('5'));
  expect(tracker.progress.node).toBe('First pass');
});

it('repeats no more than the beginning of a long title, which would fill the events of the job', () => {
  const titled = { 5: { class_type: 'KSampler', inputs: {}, _meta: { title: 't'.repeat(100_000) } } };
  const tracker = new ProgressTracker(titled, UNSEEN);
  tracker.take(node('5'));
  expect(tracker.progress.node).toBe('t'.repeat(200));
});
