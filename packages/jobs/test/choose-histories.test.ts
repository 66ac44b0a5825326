import { LODS } from '@comfy-fleet/contracts';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { levelOf, nearMs } from '../src/scheduling/choose.js';
import { CLAIM_MS, type Instances, type ModelJob, SchedulingModel } from './scheduling-model.js';

const RULES = { maxOvertakes: 5, patienceMs: 20_000 };
const MINUTE_MS = 60_000;
const LIMITS: Readonly<Record<string, number>> = { cora: 1, dora: 2 };
const WEIGHTS: Readonly<Record<string, number>> = { bert: 3, dora: 0.5 };
const KEYS = ['anna', 'bert', 'cora', 'dora'];
const LOADS: Readonly<Record<string, number>> = { small: 1000, large: 15_000, rare: 9000 };

type Step =
  | {
      readonly do: 'submit';
      readonly key: string;
      readonly priority: number;
      readonly lod: number;
      readonly checkpoint: string;
      readonly encoding: string;
    }
  | { readonly do: 'claim'; readonly instance: string; readonly afterMs: number }
  | { readonly do: 'end' | 'cancel'; readonly which: number; readonly gpuMs: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('submit' as const),
    key: fc.constantFrom(...KEYS),
    priority: fc.integer({ min: -2, max: 2 }),
    lod: fc.nat(LODS.length - 1),
    checkpoint: fc.constantFrom(...Object.keys(LOADS)),
    encoding: fc.constantFrom('cat', 'dog'),
  }),
  fc.record({ do: fc.constant('claim' as const), instance: fc.constantFrom('one', 'two'), afterMs: fc.nat(12_000) }),
  fc.record({ do: fc.constantFrom('end' as const, 'cancel' as const), which: fc.nat(20), gpuMs: fc.nat(MINUTE_MS) }),
);

/** Instances that hold the models that they used last. */
class Memories implements Instances {
  readonly names = ['one', 'two'];
  readonly #held = new Map<string, string>();
  readonly encoded = new Map<string, string | undefined>();
  readonly #able: (instance: string, checkpoint: string) => boolean;

  constructor(able: (instance: string, checkpoint: string) => boolean) {
    this.#able = able;
  }

  fit(instance: string, checkpoint: string): number {
    if (!this.#able(instance, checkpoint)) return -1;
    return this.#held.get(instance) === checkpoint ? 0 : (LOADS[checkpoint] ?? 0);
  }

  use(instance: string, { checkpoint, encoding }: Pick<ModelJob, 'checkpoint' | 'encoding'>): void {
    this.#held.set(instance, checkpoint);
    this.encoded.set(instance, encoding);
  }
}

/** A pool after these steps. `given` sees each claim and the state before it. */
function follow(
  steps: readonly Step[],
  able: (instance: string, checkpoint: string) => boolean,
  given: Given = () => {},
) {
  const instances = new Memories(able);
  const model = new SchedulingModel({ ...RULES, instances });
  const [waiting, held]: [ModelJob[], ModelJob[]] = [[], []];
  let now = 0;
  let jobs = 0;
  const claim = (instance: string, afterMs: number) => {
    now += afterMs;
    const job = model.claim(instance, now, instances.encoded.get(instance));
    if (job === undefined) return undefined;
    given(job, instance, waiting, held);
    instances.use(instance, job);
    waiting.splice(
      waiting.findIndex(({ id }) => id === job.id),
      1,
    );
    held.push(job);
    return job;
  };
  const end = (which: number, gpuMs: number) => {
    const [job] = held.splice(which % (held.length || 1), 1);
    if (job !== undefined) model.succeed(job.id, gpuMs);
  };
  for (const one of steps) {
    if (one.do === 'submit') {
      const { key, priority, checkpoint, encoding } = one;
      const lod = LODS[one.lod] ?? 'mid';
      const job = {
        id: `${++jobs}`,
        key,
        priority,
        lod,
        checkpoint,
        encoding,
        weight: WEIGHTS[key] ?? 1,
        mostTaken: LIMITS[key],
      };
      model.submit(job);
      waiting.push(job);
    } else if (one.do === 'claim') claim(one.instance, one.afterMs);
    else if (one.do === 'end') end(one.which, one.gpuMs);
    else {
      const [job] = waiting.splice(one.which % (waiting.length || 1), 1);
      if (job !== undefined) model.cancelWaiting(job.id);
    }
  }
  return { waiting, held, claim, end };
}

type Given = (job: ModelJob, instance: string, waiting: readonly ModelJob[], held: readonly ModelJob[]) => void;

const history = (most: number) => fc.array(step, { minLength: 5, maxLength: most });
const canAll = () => true;
/** Only the first instance has the rare checkpoint. */
const canMost = (instance: string, checkpoint: string) => instance === 'one' || checkpoint !== 'rare';

it('gives each job to an instance that can run it in the end, whatever happened before', () => {
  const isServed = (steps: Step[]) => {
    const { waiting, held, claim, end } = follow(steps, canMost, (job, instance) => {
      expect(canMost(instance, job.checkpoint)).toBe(true);
    });
    for (let asked = 0; waiting.length > 0; asked += 1) {
      expect(asked).toBeLessThan(10 * (steps.length + 1));
      claim(asked % 2 === 0 ? 'one' : 'two', RULES.patienceMs / 2);
      while (held.length > 0) end(0, 1000);
    }
  };
  fc.assert(fc.property(history(60), isServed), { numRuns: 1000 });
});

it('respects limits and priorities of keys and the bound of overtakes, whatever happened before', () => {
  const areKept = (steps: Step[]) => {
    const overtakes = new Map<string, number>();
    follow(steps, canAll, (job, _instance, waiting, held) => {
      const own = waiting.filter(({ key }) => key === job.key);
      expect(held.filter(({ key }) => key === job.key).length).toBeLessThan(
        LIMITS[job.key] ?? Number.POSITIVE_INFINITY,
      );
      const place = own.findIndex(({ id }) => id === job.id);
      for (const [older, { id }] of own.slice(0, place).entries()) {
        overtakes.set(id, (overtakes.get(id) ?? 0) + 1);
        expect(overtakes.get(id)).toBeLessThanOrEqual(RULES.maxOvertakes + older);
      }
      const isOld = (overtakes.get(job.id) ?? 0) >= RULES.maxOvertakes - place;
      const first = Math.max(...own.map(({ priority }) => priority));
      if (!isOld) expect(job.priority).toBe(first);
    });
  };
  fc.assert(fc.property(history(60), areKept), { numRuns: 1000 });
});

it('shares GPU time by weight among keys that always have waiting jobs, whatever those load and cost', () => {
  const cost = fc.record({
    checkpoint: fc.constantFrom(...Object.keys(LOADS)),
    gpuMs: fc.integer({ min: 1, max: 30_000 }),
  });
  const areFair = (costs: readonly { readonly checkpoint: string; readonly gpuMs: number }[]) => {
    const instances = new Memories(canAll);
    const model = new SchedulingModel({ ...RULES, maxOvertakes: 1000, instances });
    const used = new Map([
      ['anna', 0],
      ['bert', 0],
    ]);
    let jobs = 0;
    const submit = (key: string) => {
      const { checkpoint = 'small' } = costs[++jobs % costs.length] ?? {};
      const weight = WEIGHTS[key] ?? 1;
      model.submit({ id: `${jobs}`, key, priority: 0, lod: 'mid', checkpoint, weight, mostTaken: undefined });
    };
    for (let n = 0; n < 5; n += 1) for (const key of used.keys()) submit(key);
    for (let n = 0; n < 100; n += 1) {
      // One GPU, which loads models in no time.
      const job = model.claim('one', n * MINUTE_MS) as ModelJob;
      instances.use('one', job);
      const { gpuMs = 1 } = costs[n % costs.length] ?? {};
      model.succeed(job.id, gpuMs);
      used.set(job.key, (used.get(job.key) ?? 0) + (gpuMs + CLAIM_MS) / job.weight);
      submit(job.key);
    }
    const [anna = 0, bert = 0] = used.values();
    // How far a key may be ahead when it is served for its models, plus one job.
    expect(Math.abs(anna - bert)).toBeLessThanOrEqual(nearMs(RULES.patienceMs) + 30_000 + CLAIM_MS);
  };
  fc.assert(fc.property(fc.array(cost, { minLength: 3, maxLength: 12 }), areFair), { numRuns: 200 });
});

it('shares the GPUs of a large fleet equally between short and long jobs, each instance with one behind another', () => {
  const names = Array.from({ length: 8 }, (_, n) => `gpu ${n}`);
  const model = new SchedulingModel({ ...RULES, instances: { names, fit: () => 0 } });
  const lengths: Readonly<Record<string, number>> = { short: 10_000, long: 120_000 };
  const used: Record<string, number> = { short: 0, long: 0 };
  let jobs = 0;
  const submit = (key: string) => {
    const job = { id: `${++jobs}`, key, priority: 0, lod: 'mid', checkpoint: 'small', weight: 1 } as const;
    model.submit({ ...job, mostTaken: undefined });
  };
  const slots = new Map(names.map((name) => [name, [] as ModelJob[]]));
  const ends = new Map(names.map((name) => [name, Number.POSITIVE_INFINITY]));
  const fill = (name: string, now: number) => {
    const held = slots.get(name) as ModelJob[];
    while (held.length < 2) held.push(model.claim(name, now) as ModelJob);
    ends.set(name, now + (lengths[held[0]?.key ?? ''] ?? 0));
  };
  for (let n = 0; n < 20; n += 1) for (const key of Object.keys(lengths)) submit(key);
  for (const name of names) fill(name, 0);
  for (;;) {
    const [name, now] = [...ends].reduce((one, other) => (other[1] < one[1] ? other : one));
    if (now > 5_000_000) break;
    const held = slots.get(name) as ModelJob[];
    const { id, key } = held.shift() as ModelJob;
    const gpuMs = lengths[key] ?? 0;
    model.succeed(id, gpuMs);
    if (now > 300_000) used[key] = (used[key] ?? 0) + gpuMs;
    submit(key);
    fill(name, now);
  }
  const { short = 0, long = 0 } = used;
  expect(Math.abs(short - long) / (short + long)).toBeLessThan(0.05);
});

it('orders levels by priority, then by level of detail', () => {
  const levels = [2, 1, 0, -1, -2].flatMap((priority) => LODS.map((lod) => levelOf({ priority, lod })));
  expect(levels).toEqual([...levels.keys()]);
});
