import { setTimeout as delay } from 'node:timers/promises';
import { FleetError, newId } from '@comfy-fleet/contracts';
import { type RedisServer, until } from '@comfy-fleet/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Claim, NewOrder } from '../src/index.js';
import { anOrder, type Fleet, openFleet, openLedger, succeeded } from './builders.js';
import { openKeeper } from './keepers.js';
import { cluster, sentinels } from './redis-places.js';

vi.setConfig({ testTimeout: 120_000 });

const PREFIX = '{fleet}';
const WAIT = { replicas: 1, ms: 400 };

/** A Redis with replicas, and what happens to its primary. */
interface Place {
  readonly fleet: Fleet;
  primary(): Promise<RedisServer>;
  /** Makes a replica the primary while the old one lives. */
  failOver(): Promise<void>;
}

async function bySentinels(): Promise<Place> {
  const { set, ...place } = await sentinels();
  const fleet = await openFleet({ ...place, prefix: PREFIX, wait: WAIT });
  return { fleet, primary: set.primary, failOver: set.failOver };
}

async function inCluster(): Promise<Place> {
  const { set, ...place } = await cluster({ replicas: 1 });
  const fleet = await openFleet({ ...place, prefix: PREFIX, wait: WAIT });
  return { fleet, primary: () => set.primaryOf(PREFIX), failOver: () => set.failOver(PREFIX) };
}

/** Callers and workers that go on, whatever happens, until they are told to stop. */
async function traffic(fleet: Fleet) {
  const acknowledged: string[] = [];
  /** Prompts that a ComfyUI would have got, by job. */
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
      // A caller that is answered 503 sends it again.
      while (!making.signal.aborted) {
        const isMade = await ledger.create(order).then(
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

  // A job that was made durable just before its primary was gone has no work item yet.
  const keeper = openKeeper(fleet, { sweepSeconds: 1 });
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
      const claim = await source.next().catch(() => undefined);
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

describe.each([
  ['the primary of Sentinels', bySentinels],
  ['the primary of a Cluster', inCluster],
])('%s', (_what, start) => {
  it.each([
    [
      'is killed',
      async ({ primary }: Place) => {
        const old = await primary();
        await old.stop('SIGKILL');
        await until('another is the primary', async () => (await primary()) !== old, { withinMs: 30_000 });
        await old.restart();
      },
    ],
    ['hands over to a replica', ({ failOver }: Place) => failOver()],
  ])('%s in the middle of a run: every acknowledged job is there, is rendered once, and ends', async (_how, change) => {
    const place = await start();
    const { fleet } = place;
    const flow = await traffic(fleet);
    await until('it is well under way', () => flow.acknowledged.length > 100 && flow.finishes > 50, {
      withinMs: 30_000,
    });
    await change(place);
    const then = flow.acknowledged.length;
    await until('it goes on', () => flow.acknowledged.length > then + 100, { withinMs: 30_000 });
    await flow.stopMaking();
    await until(
      'every acknowledged job has ended',
      async () => {
        const jobs = await Promise.all(flow.acknowledged.map((id) => fleet.redis.hget(fleet.keys.job(id), 'status')));
        return jobs.every((status) => status === 'succeeded');
      },
      { withinMs: 30_000, everyMs: 200 },
    ).catch(async (error: unknown) => {
      const jobs = await Promise.all(flow.acknowledged.map((id) => fleet.redis.hgetall(fleet.keys.job(id))));
      throw new Error(`${error}\n${JSON.stringify(jobs.filter(({ status }) => status !== 'succeeded').slice(0, 5))}`);
    });
    await flow.stopWorking();
    expect(new Set(flow.acknowledged).size).toBe(flow.acknowledged.length);
    const twice = [...flow.prompts].filter(([, ids]) => ids.size > 1);
    expect(twice).toEqual([]);
    console.log(`${flow.acknowledged.length} acknowledged, finished ${flow.finishes}`);
  });
});
