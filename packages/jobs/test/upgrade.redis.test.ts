import { readFileSync } from 'node:fs';
import { isTerminal } from '@comfy-fleet/contracts';
import { uniquePrefix } from '@comfy-fleet/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Fleet, openFleet, POOL, startNext, succeeded } from './builders.js';
import { CALLBACK, type Contents, IDEMPOTENCY, JOBS, PROMPTS, putContents } from './upgrade-scenario.js';

/** What version 0.1.0 (197b88a) left in Redis in the middle of its work: jobs in every state. */
const BEFORE = JSON.parse(readFileSync(new URL('./fixtures/redis-of-0.1.0.json', import.meta.url), 'utf8')) as Contents;

describe('a fleet of which the processes are upgraded one by one', () => {
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
      expect((await fleet.get(JOBS.succeeded)).record.outputs).toMatchObject([{ kind: 'image', name: 'image' }]);
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
      const { open, formerRanks, formerParked, formerParkedLane } = fleet.keys;
      const rest = [
        open(POOL),
        formerRanks(POOL),
        formerParked('anna'),
        formerParkedLane(POOL, 'sketch'),
        fleet.keys.waiting,
      ];
      expect(await fleet.redis.exists(...rest)).toBe(0);
    });
  });
});
