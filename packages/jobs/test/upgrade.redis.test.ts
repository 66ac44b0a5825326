import { readFileSync } from 'node:fs';
import { isTerminal } from '@comfy-fleet/contracts';
import { uniquePrefix } from '@comfy-fleet/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Fleet, openFleet, POOL, startNext, succeeded } from './builders.js';
import {
  CALLBACK,
  type Contents,
  contentsOf,
  IDEMPOTENCY,
  JOBS,
  PROMPTS,
  putContents,
  runScenario,
} from './upgrade-scenario.js';

/**
 * What version 0.1.0 (197b88a) left in Redis after `runScenario`. To be written anew, by the version before, only when a change
 * of what is stored comes with a migration.
 */
const BEFORE = JSON.parse(readFileSync(new URL('./fixtures/redis-of-0.1.0.json', import.meta.url), 'utf8')) as Contents;

/**
 * Times, and names that are drawn: what differs between two runs of one version. And without BullMQ's own events, which
 * nobody reads: how often it says that the queue is empty is chance.
 */
function alike({ 'queue-default:events': _unread, ...contents }: Contents): unknown {
  const text = JSON.stringify(contents, (key, value) => (['gpu_ms', 'delay'].includes(key) ? '<drawn>' : value));
  return JSON.parse(
    text
      .replace(/(?!01990000)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<id>')
      .replace(/"\d{12,17}(-\d+)?"/g, '"<ms>"')
      .replace(/\d{13,17}/g, '<ms>')
      .replace(/<id>:\d+/g, '<token>')
      .replace(/:\d{5}"/g, ':<day>"'),
  );
}

describe('a fleet of which the processes are upgraded one by one', () => {
  it('writes what the version before wrote, so that both may work at a time', async () => {
    const fleet = await openFleet();
    await runScenario(fleet);
    expect(alike(await contentsOf(fleet.redis, fleet.keys.prefix))).toEqual(alike(BEFORE));
  });

  describe('after the version before left it in the middle of its work', () => {
    let fleet: Fleet;
    beforeEach(async () => {
      const prefix = uniquePrefix();
      fleet = await openFleet({ prefix });
      await putContents(fleet.redis, prefix, BEFORE);
    });
    const status = async (name: keyof typeof JOBS) => (await fleet.get(JOBS[name])).record.status;

    it('shows each job as it was', async () => {
      const names = Object.keys(JOBS) as (keyof typeof JOBS)[];
      const states = await Promise.all(names.map(async (name) => [name, await status(name)]));
      expect(Object.fromEntries(states)).toEqual({
        succeeded: 'succeeded',
        failed: 'failed',
        executing: 'running',
        canceling: 'canceling',
        parked: 'queued',
        waiting: 'queued',
        lost: 'queued',
      });
      expect((await fleet.get(JOBS.succeeded)).record.images).toHaveLength(1);
      const page = await fleet.ledger.jobs.list('anna', { filter: {}, cursor: undefined, limit: 10 });
      expect(page.jobs.map(({ record }) => record.id)).toEqual([JOBS.parked, JOBS.executing]);
    });

    it('knows the Idempotency-Key and the callback that is still to be sent', async () => {
      const replayed = await fleet.ledger.orders.replay('anonymous', IDEMPOTENCY);
      expect(replayed).toMatchObject({ replayed: true, ids: [JOBS.succeeded] });
      const { record } = await fleet.get(JOBS.succeeded);
      expect(await fleet.ledger.webhooks.delivery(record)).toMatchObject({ state: 'pending', url: CALLBACK.url });
    });

    it('ends every job: those in hand by the worker of that name, the others in their order', async () => {
      const source = await fleet.worker('w1').claims(POOL);
      const left = new Map<string, string | null>();
      for await (const claim of source.leftBehind()) {
        left.set(claim.record.id, claim.record.promptId);
        const isCanceling = claim.record.status === 'canceling';
        await claim.finish(isCanceling ? { status: 'canceled' } : succeeded(claim.record.id));
      }
      expect(left).toEqual(
        new Map([
          [JOBS.executing, PROMPTS.executing],
          [JOBS.canceling, PROMPTS.canceling],
        ]),
      );
      const claimed: string[] = [];
      while (claimed.length < 3) {
        const { claim } = await startNext(source);
        claimed.push(claim.record.id);
        await claim.finish(succeeded(claim.record.id));
      }
      expect(claimed.sort()).toEqual([JOBS.parked, JOBS.waiting, JOBS.lost].sort());
      for (const name of Object.keys(JOBS) as (keyof typeof JOBS)[]) expect(isTerminal(await status(name))).toBe(true);
    });
  });
});
