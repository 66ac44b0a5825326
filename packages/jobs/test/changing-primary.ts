import { setTimeout as delay } from 'node:timers/promises';
import { FleetError, newId } from '@comfy-fleet/contracts';
import { claimNext, type RedisServer, until } from '@comfy-fleet/testing';
import { expect, onTestFinished } from 'vitest';
import type { Claim, JobStreamItem, NewOrder } from '../src/index.js';
import { anOrder, type Fleet, openLedger, startNext, succeeded, within } from './builders.js';
import { openHousekeeper } from './housekeepers.js';

/** The key by which the node of a Cluster is found. */
export const PREFIX = '{fleet}';
export const waitFor = (replicas: number) => ({ replicas, ms: 400 });

/** A Redis with replicas, and ways to change its primary. */
export interface Place {
  readonly fleet: Fleet;
  primary(): Promise<RedisServer>;
  /** Promotes a replica while the old primary lives. */
  failOver(): Promise<void>;
}

/** Callers and workers that continue until they are stopped, whatever happens. */
async function traffic(fleet: Fleet) {
  const acknowledged: string[] = [];
  /** Prompts that a ComfyUI would have received, by job. */
  const prompts = new Map<string, Set<string>>();
  let finishes = 0;
  const making = new AbortController();
  const working = new AbortController();
  onTestFinished(() => {
    making.abort();
    working.abort();
  });

  const callers = Array.from({ length: 4 }, async () => {
    const ledger = await openLedger({ ...fleet.settings });
    while (!making.signal.aborted) {
      const id = newId();
      const order: NewOrder = anOrder({ id, idempotency: { digest: id, fingerprint: id } });
      // A caller that gets a 503 sends the request again.
      while (!making.signal.aborted) {
        const isMade = await ledger.orders.create(order).then(
          () => true,
          (error: unknown) => {
            if (error instanceof FleetError && error.code === 'queue_unavailable') return false;
            throw error;
          },
        );
        if (isMade) {
          acknowledged.push(id);
          break;
        }
        await delay(50);
      }
      await delay(5);
    }
  });

  // A job that was created just before the primary was lost may have no work item.
  const keeper = openHousekeeper(fleet);
  const sweeping = (async () => {
    while (!working.signal.aborted) {
      await keeper.sweep().catch(() => {});
      await delay(500);
    }
  })();

  const run = async (claim: Claim, name: string) => {
    const { id } = claim.record;
    let { promptId } = claim.record;
    if (promptId === null) {
      promptId = newId();
      if ((await claim.submit(promptId, `${name}/0`)) !== 'ok') return claim.letGo();
      prompts.set(id, (prompts.get(id) ?? new Set()).add(promptId));
    }
    await claim.start(promptId);
    await delay(2);
    if ((await claim.finish(succeeded(id), promptId)) === 'succeeded') finishes += 1;
  };
  const workers = ['w1', 'w2', 'w3'].map(async (name) => {
    const worker = fleet.worker(name, { lockMs: 1500, stalledCheckMs: 300, maxWorkerDeaths: 1000 });
    const source = await worker.claims('default');
    while (!working.signal.aborted) {
      const claim = await claimNext(source).catch(() => undefined);
      if (claim === undefined) continue;
      await run(claim, name).catch(() => claim.letGo());
    }
    await source.close();
  });
  return {
    acknowledged,
    prompts,
    get finishes() {
      return finishes;
    },
    stopMaking: async () => {
      making.abort();
      await Promise.all(callers);
    },
    stopWorking: async () => {
      working.abort();
      await Promise.all([...workers, sweeping]);
    },
  };
}

/** Follows the events of a job of another pool while the primary changes. */
async function follow(fleet: Fleet) {
  const { id } = (await fleet.submit({ pool: 'followed' })).record;
  const { claim, promptId } = await startNext(await fleet.claims('followed', { worker: 'w9' }), newId());
  const items: JobStreamItem[] = [];
  const following = (async () => {
    for await (const item of fleet.ledger.jobs.events(id, { signal: within() })) items.push(item);
  })();
  await until('the snapshot came', () => items.length === 1);
  return {
    end: async () => {
      await claim.finish(succeeded(id), promptId);
      await following;
      const last = items.at(-1);
      expect(last?.kind === 'event' && last.event).toEqual({ type: 'status', status: 'succeeded' });
    },
  };
}

/** Kills the primary, waits for its successor, and starts the dead one again. */
export async function kill({ primary }: Place): Promise<void> {
  const old = await primary();
  await old.stop('SIGKILL');
  await until('another is the primary', async () => (await primary()) !== old);
  await old.restart();
}

/**
 * Runs `change` in the middle of a run. Expects afterwards that every acknowledged job exists, has ended, and was sent
 * to ComfyUI once, and that followers of a job saw its end.
 */
export async function expectNothingLost(place: Place, change: (place: Place) => Promise<void>): Promise<void> {
  const { fleet } = place;
  const flow = await traffic(fleet);
  const isUnderWay = () => flow.acknowledged.length > 40 && flow.finishes > 20;
  await until('it is well under way', isUnderWay);
  const followed = await follow(fleet);
  await change(place);
  await followed.end();
  const then = flow.acknowledged.length;
  await until('it goes on', () => flow.acknowledged.length > then + 40);
  await flow.stopMaking();
  const notEnded = async () => {
    const read = async (id: string) => ({ id, status: await fleet.redis.hget(fleet.keys.job(id), 'status') });
    return (await Promise.all(flow.acknowledged.map(read))).filter(({ status }) => status !== 'succeeded');
  };
  let left = await notEnded();
  await until(
    'every acknowledged job has ended',
    async () => {
      left = await notEnded();
      return left.length === 0;
    },
    { everyMs: 200 },
  ).catch((error: unknown) => {
    throw new Error(`not ended: ${JSON.stringify(left.slice(0, 5))} of ${flow.acknowledged.length}`, { cause: error });
  });
  await flow.stopWorking();
  expect(new Set(flow.acknowledged).size).toBe(flow.acknowledged.length);
  expect([...flow.prompts].filter(([, ids]) => ids.size > 1)).toEqual([]);
}
