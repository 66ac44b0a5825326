import { LODS, type Lod, newId } from '@comfy-fleet/contracts';
import { catalogueWith, until } from '@comfy-fleet/testing';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Claim, WorkerLedger } from '../src/index.js';
import { affinityKeyOf } from '../src/record/request-keys.js';
import { aFrame, aRequest, type Fleet, failed, openFleet } from './builders.js';
import { type Instances, type ModelJob, SchedulingModel } from './scheduling-model.js';

const MAX_OVERTAKES = 3;
/** So long that the slowness of a machine does not matter. */
const PATIENCE_MS = 2_000_000;

type Step =
  | {
      readonly do: 'submit';
      readonly key: string;
      readonly priority: number;
      readonly lod: Lod;
      readonly checkpoint: string;
      readonly encoding: string;
    }
  | { readonly do: 'claim'; readonly instance: string; readonly after: number }
  | { readonly do: 'succeed' | 'fail' | 'release'; readonly which: number; readonly gpuMs: number }
  | { readonly do: 'cancel'; readonly which: number };

/** What each key of a history has in all its orders. */
const KEYS: Readonly<Record<string, { readonly weight: number; readonly mostTaken: number | undefined }>> = {
  anna: { weight: 1, mostTaken: undefined },
  bert: { weight: 3, mostTaken: undefined },
  cora: { weight: 1, mostTaken: 1 },
  dora: { weight: 0.5, mostTaken: 2 },
};

/** How many ms loading a checkpoint takes. */
const LOADS: Readonly<Record<string, number>> = { small: 1000, large: 1_500_000, other: 900_000, rare: 90_000 };

/** The checkpoints of an instance, and how many of them it holds. */
const INSTANCES: Readonly<Record<string, { readonly has: readonly string[]; readonly holds: number }>> = {
  one: { has: ['small', 'large', 'other', 'rare'], holds: 1 },
  two: { has: ['small', 'large', 'other'], holds: 1 },
  three: { has: ['small', 'large', 'other', 'rare'], holds: 2 },
};

const which = fc.nat(20);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      key: fc.constantFrom(...Object.keys(KEYS)),
      priority: fc.integer({ min: -2, max: 2 }),
      lod: fc.constantFrom(...LODS),
      checkpoint: fc.constantFrom(...Object.keys(LOADS)),
      encoding: fc.constantFrom('cat', 'dog', 'fox'),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('claim' as const),
      instance: fc.constantFrom(...Object.keys(INSTANCES)),
      after: fc.oneof(fc.constant(0), fc.nat(3)),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('succeed' as const, 'fail' as const, 'release' as const),
      which,
      gpuMs: fc.integer({ min: 1, max: 6_000_000 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), which }) },
);

/** The checkpoints that the instances of a pool hold, the last used first. */
class Memories implements Instances {
  readonly #pool: string;
  readonly #held = new Map<string, readonly string[]>();

  constructor(pool: string) {
    this.#pool = pool;
  }

  get names(): string[] {
    return Object.keys(INSTANCES).map((name) => this.nameOf(name));
  }

  nameOf(instance: string): string {
    return `${this.#pool}/${instance}`;
  }

  fit(name: string, checkpoint: string): number {
    if (!this.#of(name).has.includes(checkpoint)) return -1;
    return this.#held.get(name)?.includes(checkpoint) ? 0 : (LOADS[checkpoint] ?? 0);
  }

  use(name: string, checkpoint: string): void {
    const held = this.#held.get(name) ?? [];
    this.#held.set(name, [...new Set([checkpoint, ...held])].slice(0, this.#of(name).holds));
  }

  #of(name: string) {
    return INSTANCES[name.slice(this.#pool.length + 1)] as (typeof INSTANCES)[string];
  }
}

/** Lets time pass for everything that has a time. */
async function pass({ redis, keys }: Fleet, pool: string, ms: number): Promise<void> {
  for (const name of await redis.hkeys(keys.schedule(pool))) {
    if (/^(passed|loaded) /.test(name)) await redis.hincrby(keys.schedule(pool), name, -ms);
  }
}

/** Runs the same steps in the ledger, with a pool and keys of its own, and in the model, and compares each claim. */
async function follow(fleet: Fleet, ledger: WorkerLedger, pool: string, steps: readonly Step[]): Promise<void> {
  let clock = 0;
  const memories = new Memories(pool);
  const rules = { maxOvertakes: MAX_OVERTAKES, patienceMs: PATIENCE_MS, instances: memories };
  const model = new SchedulingModel(rules);
  const source = await ledger.claims(pool);
  const say = (name: string) => {
    const fits = Object.keys(LOADS).map((checkpoint) => [
      affinityKeyOf(aRequest({ checkpoint })),
      memories.fit(name, checkpoint),
    ]);
    return ledger.fits.publish(name, new Map(fits as [string, number][]));
  };
  for (const name of memories.names) {
    await ledger.abilities.publish([pool], { instance: name, seenAt: Date.now(), ...catalogueWith({}) });
    await say(name);
  }
  const encoded = new Map<string, string | undefined>();
  const held: Claim[] = [];
  const waiting: string[] = [];
  const take = <T>(from: T[], n: number): T | undefined => from.splice(n % (from.length || 1), 1)[0];
  const submit = async ({ key, priority, lod, checkpoint, encoding }: Extract<Step, { do: 'submit' }>) => {
    const job = { id: newId(), key: `${key} ${pool}`, ...KEYS[key], priority, lod, checkpoint, encoding } as ModelJob;
    const { id, weight, mostTaken } = job;
    const request = { priority, lod, checkpoint };
    await fleet.submit({ id, pool, key: job.key, weight, mostTaken, request, models: [checkpoint], encoding });
    model.submit(job);
    waiting.push(id);
  };
  const claim = async ({ instance, after }: Extract<Step, { do: 'claim' }>) => {
    const name = memories.nameOf(instance);
    // No two claims happen at the same time.
    const elapsedMs = (after * PATIENCE_MS) / 4 + 1;
    clock += elapsedMs;
    await pass(fleet, pool, elapsedMs);
    const encoding = encoded.get(name);
    const claimed = await source.nextFor({ name, encoding, fit: () => expect.fail('it is known what it holds') });
    const expected = model.claim(name, clock, encoding)?.id;
    if (claimed === undefined || claimed === 'left') return expect(expected).toBeUndefined();
    expect(claimed.record.id).toBe(expected);
    encoded.set(name, claimed.record.encoding ?? undefined);
    memories.use(name, String(claimed.record.request.inputs.checkpoint));
    await say(name);
    held.push(claimed);
    waiting.splice(waiting.indexOf(claimed.record.id), 1);
  };
  const cancel = async (id: string) => {
    await fleet.ledger.jobs.cancel(id);
    model.cancelWaiting(id);
  };
  const settle = async (claimed: Claim, how: 'succeed' | 'fail' | 'release', gpuMs: number) => {
    const { id } = claimed.record;
    if (how === 'succeed') {
      await claimed.finish({ status: 'succeeded', outputs: [aFrame(id)], executedMs: gpuMs });
      model.succeed(id, gpuMs);
    } else if (how === 'fail') {
      await claimed.finish(failed());
      model.fail(id);
    } else {
      await claimed.release(0);
      const rests = async () => (await fleet.redis.zscore(fleet.keys.delayed(pool), id)) !== null;
      await until('its work item is back', rests, { everyMs: 1 });
      model.release(id);
      waiting.push(id);
    }
  };
  for (const step of steps) {
    if (step.do === 'submit') await submit(step);
    else if (step.do === 'claim') await claim(step);
    else {
      const id = step.do === 'cancel' ? take(waiting, step.which) : undefined;
      if (id !== undefined) await cancel(id);
      const claimed = step.do === 'cancel' ? undefined : take(held, step.which);
      if (claimed !== undefined && step.do !== 'cancel') await settle(claimed, step.do, step.gpuMs);
    }
  }
  for (const claimed of held) claimed.letGo();
  await source.close();
}

it('claims in the order of the model, whatever happened before', async () => {
  const fleet = await openFleet();
  // A minute ahead, so that the delay of every work item is over.
  const now = () => Date.now() + 60_000;
  const ledger = fleet.worker('w1', { maxOvertakes: MAX_OVERTAKES, modelPatienceMs: PATIENCE_MS, now });
  let histories = 0;
  const history = fc.array(step, { minLength: 20, maxLength: 80 });
  const agrees = (steps: Step[]) => follow(fleet, ledger, `p${++histories}`, steps);
  await fc.assert(fc.asyncProperty(history, agrees), { numRuns: 60 });
});
