import { expect, it } from 'vitest';
import type { PromptNews } from '../src/instance/instance.js';
import { NodeWatch } from '../src/submission/node-watch.js';

const GRAPH = {
  '1': { class_type: 'CheckpointLoaderSimple', inputs: {}, _meta: { title: 'Load Checkpoint' } },
  '5': { class_type: 'KSampler', inputs: {} },
  '7': { class_type: 'SaveImage', inputs: {}, _meta: { title: 'output:picture' } },
};
const node = (id: string): PromptNews => ({ type: 'node', promptId: 'p', node: id });
const step = (value: number): PromptNews => ({ type: 'progress', promptId: 'p', node: '5', value, max: 20 });
const cached = (...nodes: string[]): PromptNews => ({ type: 'cached', promptId: 'p', nodes });
const succeeded: PromptNews = { type: 'succeeded', promptId: 'p', at: undefined };

function watch(...heard: readonly (readonly [at: number, news: PromptNews])[]): NodeWatch {
  const watch = new NodeWatch(GRAPH);
  for (const [at, news] of heard) watch.take(news, at);
  return watch;
}

it('reports how long each node took, with its title and steps, and which came from the cache', () => {
  const seen = watch(
    [0, cached('1')],
    [10, node('5')],
    [20, step(1)],
    [900, step(20)],
    [1000, node('7')],
    [1050, succeeded],
  );
  expect(seen.timings).toEqual([
    { nodeId: '1', title: 'Load Checkpoint', className: 'CheckpointLoaderSimple', ms: null, steps: null, cached: true },
    { nodeId: '5', title: 'KSampler', className: 'KSampler', ms: 990, steps: 20, cached: false },
    { nodeId: '7', title: 'output:picture', className: 'SaveImage', ms: 50, steps: null, cached: false },
  ]);
  expect(seen.isComplete).toBe(true);
});

it('lists the nodes that ended since the last call, with their steps', () => {
  const seen = watch([0, cached('1')], [10, node('5')], [20, step(20)], [30, node('7')]);
  expect([seen.takeRan(), seen.takeRan()]).toEqual([[['5', 20]], undefined]);
  seen.take(succeeded, 40);
  expect(seen.takeRan()).toEqual([['7', null]]);
});

it('adds up the times of a node that executes repeatedly, as in a loop', () => {
  const seen = watch([0, node('5')], [100, node('7')], [110, node('5')], [160, succeeded]);
  expect(seen.timings.map(({ nodeId, ms }) => [nodeId, ms])).toEqual([
    ['5', 150],
    ['7', 10],
  ]);
});

it('assigns the time of a lost connection to no node', () => {
  const seen = watch(
    [0, node('1')],
    [50, node('5')],
    [60, { type: 'disconnected' }],
    [9000, node('7')],
    [9020, succeeded],
  );
  expect(seen.timings.map(({ nodeId, ms }) => [nodeId, ms])).toEqual([
    ['1', 50],
    ['7', 20],
  ]);
  expect(seen.isComplete).toBe(false);
});

it('reports nothing for a prompt without news', () => {
  expect(watch().timings).toEqual([]);
  expect(watch().isComplete).toBe(false);
});

it('names an expanded node by the title of the node that it came from', () => {
  const expandedFrom = { display: '7', parent: '7', real: '7' };
  const nodes = [{ node: '7.0.0.1', value: 0, max: 1, state: 'running', expandedFrom }];
  const seen = watch([0, { type: 'progress_state', promptId: 'p', nodes }], [0, node('7.0.0.1')], [10, succeeded]);
  expect(seen.timings).toMatchObject([{ nodeId: '7.0.0.1', title: 'output:picture', ms: 10, expandedFrom }]);
});
