import { LODS, type Lod, newId } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Claim, WorkerLedger } from '../src/index.js';
import { aFrame, type Fleet, failed, openFleet } from './builders.js';
import { type ModelJob, SchedulingModel } from './scheduling-model.js';

const MAX_OVERTAKES = 3;

type Step =
  | { readonly do: 'submit'; readonly key: string; readonly priority: number; readonly lod: Lod }
  | { readonly do: 'claim' }
  | { readonly do: 'succeed' | 'fail' | 'release'; readonly which: number; readonly gpuMs: number }
  | { readonly do: 'cancel'; readonly which: number };

/** What each key of a history is given in all its orders. */
const KEYS: Readonly<Record<string, { readonly weight: number; readonly mostTaken: number | undefined }>> = {
  anna: { weight: 1, mostTaken: undefined },
  bert: { weight: 3, mostTaken: undefined },
  cora: { weight: 1, mostTaken: 1 },
  dora: { weight: 0.5, mostTaken: 2 },
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
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('claim' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('succeed' as const, 'fail' as const, 'release' as const),
      which,
      gpuMs: fc.integer({ min: 1, max: 60_000 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), which }) },
);

/** Does the same in the ledger, in a pool and with keys of their own, and in the model, and compares each claim. */
async function follow(fleet: Fleet, ledger: WorkerLedger, pool: string, steps: readonly Step[]): Promise<void> {
  const model = new SchedulingModel(MAX_OVERTAKES);
  const source = await ledger.claims(pool);
  const held: Claim[] = [];
  const waiting: string[] = [];
  const take = <T>(from: T[], n: number): T | undefined => from.splice(n % (from.length || 1), 1)[0];
  const submit = async ({ key, priority, lod }: Extract<Step, { do: 'submit' }>) => {
    const job = { id: newId(), key: `${key} ${pool}`, ...KEYS[key], priority, lod } as ModelJob;
    const { id, weight, mostTaken } = job;
    await fleet.submit({ id, pool, key: job.key, weight, mostTaken, request: { priority, lod } });
    model.submit(job);
    waiting.push(id);
  };
  const claim = async () => {
    const claimed = await source.next({ block: false });
    expect(claimed?.record.id).toBe(model.claim());
    if (claimed === undefined) return;
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
      await claimed.finish({ status: 'succeeded', images: [aFrame(id)], executedMs: gpuMs });
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
    else if (step.do === 'claim') await claim();
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
  const ledger = fleet.worker('w1', { maxOvertakes: MAX_OVERTAKES });
  let histories = 0;
  const history = fc.array(step, { minLength: 20, maxLength: 60 });
  const agrees = (steps: Step[]) => follow(fleet, ledger, `p${++histories}`, steps);
  await fc.assert(fc.asyncProperty(history, agrees), { numRuns: 60 });
});
