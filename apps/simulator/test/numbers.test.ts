import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Float, type JsonObject } from '../src/python.js';
import { type Simulator, startSimulator } from '../src/simulator.js';
import { askJson } from './client.js';
import { plainImage, textToImage } from './graphs.js';

let simulator: Simulator;
beforeEach(async () => {
  simulator = await startSimulator();
});
afterEach(() => simulator.close());

const submit = async (more: JsonObject = {}) => {
  const answer = await askJson(simulator.url, 'POST', '/prompt', { prompt: plainImage(1), ...more });
  return answer.number;
};

describe('the number of a prompt', () => {
  it('counts from 0, also for refused prompts but not for own numbers, and is negative with front', async () => {
    expect(await submit()).toBe(0);
    await submit({ prompt: {} });
    expect(await submit()).toBe(2);
    expect(await submit({ number: 7 })).toEqual(new Float(7));
    expect(await submit({ front: true })).toBe(-3);
    expect(await submit()).toBe(4);
  });

  it('decides the order of execution, lower numbers first', async () => {
    simulator.set({ stepMs: 20 });
    simulator.faults.add({ kind: 'hang', node: 'KSampler', times: 1 });
    const { prompt_id: blocker } = await askJson(simulator.url, 'POST', '/prompt', { prompt: textToImage() });
    await expect.poll(async () => (await askJson(simulator.url, 'GET', '/queue')).queue_running).toHaveLength(1);
    const sent: JsonObject[] = [{ number: 5 }, {}, { front: true }, { number: -2.5 }, { front: true }];
    const ids: string[] = [];
    for (const [at, more] of sent.entries()) {
      ids.push(
        String((await askJson(simulator.url, 'POST', '/prompt', { prompt: plainImage(at), ...more })).prompt_id),
      );
    }
    await fetch(`${simulator.url}/interrupt`, { method: 'POST' });
    await expect.poll(async () => Object.keys(await askJson(simulator.url, 'GET', '/history'))).toHaveLength(6);
    const order = [4, 3, 2, 1, 0].map((at) => ids[at]);
    // Numbers -3, -2.5, -2, 1, 5.
    expect(Object.keys(await askJson(simulator.url, 'GET', '/history'))).toEqual([blocker, ...order]);
  });
});
