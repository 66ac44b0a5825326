import { expect, it } from 'vitest';
import type { PromptNews } from '../src/instance/instance.js';
import type { SeenTexts } from '../src/instance/savings.js';
import { TextWatch } from '../src/submission/text-watch.js';

const NODES = { encoders: new Set(['text']), samplers: new Set(['sampler']), loaders: new Set(['loader']) };

const of = { promptId: 'p' };
const started: PromptNews = { type: 'started', ...of, at: undefined };
const node = (id: string): PromptNews => ({ type: 'node', ...of, node: id });
const step = (value: number, id = 'sampler'): PromptNews => ({ type: 'progress', ...of, node: id, value, max: 20 });
const succeeded: PromptNews = { type: 'succeeded', ...of, at: undefined };

/** What is learned from this news, the next after each 100 ms. */
function learned(...news: readonly PromptNews[]): SeenTexts[] {
  const all: SeenTexts[] = [];
  const watch = new TextWatch(NODES, (seen) => all.push(seen));
  for (const [index, one] of news.entries()) watch.take(one, 1000 + 100 * index);
  return all;
}

it('measures the time from the beginning of a prompt to the first step of its sampler, with and without encoding', () => {
  const sampled = [node('sampler'), step(1), step(2), succeeded];
  expect(learned(started, node('text'), ...sampled)).toEqual([{ encoded: true, firstStepMs: 300, endMs: 500 }]);
  expect(learned(started, ...sampled)).toEqual([{ encoded: false, firstStepMs: 200, endMs: 400 }]);
});

it('ignores the progress of nodes that are no samplers', () => {
  expect(learned(started, node('text'), step(1, 'text'), succeeded)).toEqual([]);
});

it('learns nothing from a prompt that loads a model, fails, or was not observed from its beginning to its end', () => {
  expect(learned(started, node('loader'), node('text'), step(1), succeeded)).toEqual([]);
  expect(learned(started, node('text'), step(1), { type: 'failed', ...of })).toEqual([]);
  expect(learned(node('text'), step(1), succeeded)).toEqual([]);
  expect(learned(started, node('text'), { type: 'disconnected' }, step(1), succeeded)).toEqual([]);
});
