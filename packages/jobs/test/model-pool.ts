import { newId, type ResolvedRequest } from '@comfy-fleet/contracts';
import { catalogueWith } from '@comfy-fleet/testing';
import type { Claim, Refusals, WorkerLedgerOptions } from '../src/index.js';
import { affinityKeyOf } from '../src/record/request-keys.js';
import { aRequest, type Fleet, openFleet, POOL } from './builders.js';

export const PATIENCE_MS = 30_000;

/** How many ms each checkpoint takes to load; one that is missing here cannot be run. */
type Loads = Readonly<Record<string, number>>;

/** A pool whose instances ask for jobs. */
export async function openPool(overrides: Partial<WorkerLedgerOptions> = {}) {
  const fleet = await openFleet();
  const ledger = fleet.worker('w', { modelPatienceMs: PATIENCE_MS, ...overrides });
  const source = await ledger.claims(POOL);
  const asked: string[] = [];
  const asker = (name: string, loads: Loads, refusals?: Refusals) => ({
    name,
    refusals,
    fit: (_affinity: string, { request: { inputs } }: { readonly request: ResolvedRequest }) => {
      const checkpoint = String(inputs.checkpoint);
      asked.push(checkpoint);
      return loads[checkpoint] ?? -1;
    },
  });
  const claim = (name: string, loads: Loads, refusals?: Refusals) => source.nextFor(asker(name, loads, refusals));
  return {
    fleet,
    source,
    asked,
    /**
     * Moves the times of all passed-over queues and model loads back by the patience, so that the patience has passed
     * for all.
     */
    wait: async () => {
      const { redis, keys } = fleet;
      for (const name of await redis.hkeys(keys.schedule(POOL))) {
        if (/^(passed|loaded) /.test(name)) await redis.hincrby(keys.schedule(POOL), name, -PATIENCE_MS);
      }
    },
    /** An instance that is up and holds these models. */
    announce: async (name: string, loads: Loads) => {
      await ledger.abilities.publish([POOL], { instance: name, seenAt: Date.now(), ...catalogueWith({}) });
      await ledger.fits.publish(
        name,
        new Map(Object.entries(loads).map(([checkpoint, ms]) => [affinity(checkpoint), ms])),
      );
    },
    claim,
    recall: (name: string, loads: Loads = {}, refusals?: Refusals) => source.recall(asker(name, loads, refusals)),
    /** The checkpoint of the job that it gets. */
    given: async (name: string, loads: Loads) => checkpointOf(await claim(name, loads)),
  };
}

export const affinity = (checkpoint: string) => affinityKeyOf(aRequest({ checkpoint }));
export const checkpointOf = (claim: Claim | 'left' | undefined) =>
  claim === undefined || claim === 'left' ? claim : claim.record.request.inputs.checkpoint;

export async function submit(fleet: Fleet, ...checkpoints: string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const checkpoint of checkpoints) {
    const id = newId();
    ids.push(id);
    await fleet.submit({ id, request: { checkpoint }, models: [checkpoint] });
  }
  return ids;
}
