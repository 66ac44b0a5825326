import { describe, expect, it } from 'vitest';
import { createHeldModels } from '../src/instance/held-models.js';
import type { PromptNews } from '../src/instance/instance.js';
import { LoadWatch } from '../src/submission/load-watch.js';
import { knownLoadTimes } from './held.js';

const LOADERS = new Map([
  ['1', { files: ['unet'], isLinked: false }],
  ['2', { files: ['clip_l', 't5'], isLinked: false }],
  ['3', { files: ['lora'], isLinked: true }],
]);

const node = (id: string): PromptNews => ({ type: 'node', promptId: 'p', node: id });
const cached = (...nodes: string[]): PromptNews => ({ type: 'cached', promptId: 'p', nodes });
const step = (value: number): PromptNews => ({ type: 'progress', promptId: 'p', node: '5', value, max: 20 });
const succeeded: PromptNews = { type: 'succeeded', promptId: 'p', at: undefined };
const disconnected: PromptNews = { type: 'disconnected' };

/** A prompt with this news at these ms, and how long its files are then expected to load. */
function watch(...heard: readonly (readonly [at: number, news: PromptNews])[]) {
  const times = knownLoadTimes({});
  const models = createHeldModels({ times, isMain: () => false });
  const watch = new LoadWatch(LOADERS, models);
  watch.began();
  for (const [at, news] of heard) watch.take(news, at);
  const loads = watch.ended();
  return { loads, again: watch.ended(), unet: times.of('unet'), clip: times.of('clip_l'), t5: times.of('t5') };
}

describe('the news of a prompt', () => {
  it('gives the load time of each loader node, shared among its files', () => {
    expect(
      watch([0, cached()], [10, node('1')], [4010, node('2')], [5010, node('3')], [5510, node('5')], [9000, succeeded]),
    ).toMatchObject({ unet: 4000, clip: 500, t5: 500, loads: { ms: 5500, avoided: false } });
  });

  it("adds the extra time of the sampler's first step to the file that took longest", () => {
    const steps = [
      [6000, step(1)],
      [6200, step(2)],
      [6900, step(3)],
    ] as const;
    expect(watch([0, node('1')], [4000, node('2')], [5000, node('5')], ...steps, [9000, succeeded])).toMatchObject({
      unet: 4800,
      clip: 500,
      loads: { ms: 5800 },
    });
  });

  it("shows that a prompt's models were all in memory", () => {
    expect(watch([0, cached('1', '2', '3', '4')], [1, node('5')], [900, succeeded])).toMatchObject({
      loads: { ms: undefined, avoided: true },
      unet: undefined,
    });
  });

  it('does not show that models were in memory when one is not mentioned', () => {
    expect(watch([0, cached('1', '3')], [900, succeeded]).loads).toEqual({ ms: undefined, avoided: false });
  });

  it('ignores a node whose end was not observed', () => {
    expect(watch([0, node('1')], [4000, disconnected], [9000, node('5')], [9500, succeeded])).toMatchObject({
      unet: undefined,
      loads: { ms: undefined, avoided: false },
    });
  });

  it('is summed up once', () => {
    expect(watch([0, node('1')], [4000, succeeded]).again).toBeUndefined();
  });
});
