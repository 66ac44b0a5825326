import { describe, expect, it, vi } from 'vitest';
import { createHeldModels, createLoadTimes, type HeldModels } from '../src/instance/held-models.js';
import { knownLoadTimes, quietLog } from './held.js';

const isMain = (file: string) => /^[A-Z]/.test(file);
const modelsOf = (ms: Readonly<Record<string, number>> = {}) => createHeldModels({ times: knownLoadTimes(ms), isMain });

/** The instance executes a prompt with these models, of which it holds those in `kept`. */
function run(models: HeldModels, files: readonly string[], kept: readonly string[] = []): void {
  const seen = models.began(files);
  for (const file of files) {
    if (kept.includes(file)) seen.kept(file);
    else seen.ran(file, 10_000, false);
  }
}

describe('the models that an instance holds', () => {
  it('are at first those of the last prompt', () => {
    const models = modelsOf();
    run(models, ['A', 'lora']);
    run(models, ['B']);
    expect(models.files).toEqual(['B']);
    run(models, []);
    expect(models.files).toEqual([]);
  });

  it('include an older file that was not loaded again', () => {
    const models = modelsOf();
    for (const file of ['A', 'B', 'C']) run(models, [file]);
    run(models, ['A'], ['A']);
    expect(models.files).toEqual(['A', 'C', 'B']);
    run(models, ['D']);
    expect(models.files).toEqual(['D', 'A', 'C']);
  });

  it('include a file whose node ran in a small part of its load time', () => {
    const models = modelsOf({ A: 8000 });
    for (const file of ['A', 'B', 'C']) run(models, [file]);
    expect(models.began(['A']).ran('A', 400, false)).toBe('kept');
    expect(models.files).toEqual(['A', 'C', 'B']);
  });

  it('do not include a file whose load time is too short to judge', () => {
    expect(modelsOf({ lora: 20 }).began(['lora']).ran('lora', 1, false)).toBe('loaded');
  });

  it('are fewer when a file that should be held is loaded again', () => {
    const models = modelsOf();
    for (const file of ['A', 'B', 'C']) run(models, [file]);
    run(models, ['A'], ['A']);
    run(models, ['B']);
    expect(models.files).toEqual(['B', 'A']);
  });

  it('are none while even the files of the last prompt are loaded again', () => {
    const models = modelsOf();
    run(models, ['A']);
    run(models, ['A']);
    expect(models.files).toEqual([]);
    run(models, ['A'], ['A']);
    expect(models.files).toEqual(['A']);
  });

  it('do not change when a loader ran again because of a node before it', () => {
    const models = modelsOf();
    run(models, ['A', 'lora']);
    models.began(['A', 'lora']).ran('lora', 10_000, true);
    expect(models.files).toEqual(['A', 'lora']);
  });

  it('are none after a restart, and as many as before once prompts ran', () => {
    const models = modelsOf();
    for (const file of ['A', 'B']) run(models, [file]);
    run(models, ['A'], ['A']);
    models.forget();
    expect(models.files).toEqual([]);
    for (const file of ['C', 'D', 'E']) run(models, [file]);
    expect(models.files).toEqual(['E', 'D']);
  });
});

describe('of an instance that keeps the files it used last', () => {
  it.each([1, 2, 3, 4])('it is wrong only until it has seen all %i places used', (places) => {
    const models = modelsOf();
    let memory: string[] = [];
    let mistakes = 0;
    // A sequence that returns to every file repeatedly, at many distances.
    for (let n = 1; n <= 300; n++) {
      const file = `${(n * n + 3 * (n % 7)) % 6}`;
      const isHeld = memory.includes(file);
      if ((models.loadMs([file]) === 0) !== isHeld) mistakes += 1;
      run(models, [file], isHeld ? [file] : []);
      memory = [file, ...memory.filter((other) => other !== file)].slice(0, places);
    }
    expect(mistakes).toBeLessThanOrEqual(places - 1);
    expect(models.files).toEqual(memory);
  });
});

describe('the load time', () => {
  it('is the sum over the files that it does not hold', () => {
    const models = modelsOf({ A: 7000, B: 5000, lora: 300 });
    run(models, ['A']);
    expect(models.loadMs(['A'])).toBe(0);
    expect(models.loadMs(['A', 'lora'])).toBe(300);
    expect(models.loadMs(['B', 'lora'])).toBe(5300);
  });

  it('is 10 s for a checkpoint without a measurement, and 1 s for any other file', () => {
    expect(modelsOf().loadMs(['Unknown', 'unknown'])).toBe(11_000);
  });

  it('is the measured one once there is one', () => {
    const models = modelsOf();
    models.began(['A']).took('A', 4200);
    expect(models.loadMs(['B', 'A'])).toBe(10_000);
    models.forget();
    expect(models.loadMs(['A'])).toBe(4200);
  });

  it('applies after the queued prompts', () => {
    const models = modelsOf({ A: 7000, B: 5000 });
    run(models, ['A']);
    models.use(['B']);
    expect([models.loadMs(['A']), models.loadMs(['B'])]).toEqual([7000, 0]);
    expect(models.files).toEqual(['A']);
  });

  it('forgets prompts that were taken out of the queue when a later one begins or none are left', () => {
    const models = modelsOf({ A: 7000, B: 5000 });
    models.use(['B']);
    models.use(['A']);
    run(models, ['A']);
    expect([models.loadMs(['A']), models.loadMs(['B'])]).toEqual([0, 5000]);
    models.use(['B']);
    models.queueEmptied();
    expect([models.loadMs(['A']), models.loadMs(['B'])]).toEqual([0, 5000]);
  });

  it('does not count a queued prompt that was taken back', () => {
    const models = modelsOf({ A: 7000, B: 5000 });
    run(models, ['A']);
    models.use(['B']);
    models.takenBack(['B']);
    models.takenBack(['A']);
    expect([models.loadMs(['A']), models.loadMs(['B'])]).toEqual([0, 5000]);
  });

  it('reports a change when it may have changed, and only then', () => {
    const models = modelsOf();
    const listener = vi.fn();
    models.onChange(listener);
    const callsAfter = (action: () => void) => {
      listener.mockClear();
      action();
      return listener.mock.calls.length;
    };
    expect(callsAfter(() => models.use(['A']))).toBe(1);
    expect(callsAfter(() => run(models, ['A']))).toBe(0);
    expect(callsAfter(() => run(models, ['A'], ['A']))).toBe(0);
    expect(callsAfter(() => run(models, ['B']))).toBe(1);
    expect(callsAfter(() => models.forget())).toBe(1);
  });
});

it('tells listeners once of the load times of all files of a prompt', async () => {
  const shared = { read: async () => new Map(), learn: async (_file: string, ms: number) => ms };
  const times = createLoadTimes(shared, quietLog());
  const heard = vi.fn(() => times.of('C'));
  times.onChange(heard);
  for (const file of ['A', 'B', 'C']) times.learn(file, 100);
  await vi.waitFor(() => expect(heard).toHaveBeenCalled());
  expect(heard.mock.results).toEqual([{ type: 'return', value: 100 }]);
});
