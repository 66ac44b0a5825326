import { newId } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { etaSeconds, type Outcome, type PoolOverview } from '../src/index.js';
import { signatureOf } from '../src/record/request-keys.js';
import {
  anAnnouncement,
  anInstance,
  aRequest,
  type Fleet,
  failed,
  nextClaim,
  openFleet,
  POOL,
  startNext,
  succeeded,
} from './builders.js';

const pool = async (fleet: Fleet) =>
  (await fleet.ledger.fleet.overview()).pools.find(({ pool: name }) => name === POOL);

/** Has the next job executed, as far as the record can tell, in `ms`. */
async function execute(fleet: Fleet, ms: number): Promise<void> {
  const { claim, promptId } = await startNext(await fleet.claims());
  const { id } = claim.record;
  await claim.finish({ ...succeeded(id), executedMs: ms } as Outcome, promptId);
}

describe('the durations of executions', () => {
  it('are learned by signature and by lod, and the newest execution counts for three tenths', async () => {
    const fleet = await openFleet();
    for (const steps of [8, 8, 12]) await fleet.submit({ request: { steps } });
    for (const ms of [1000, 2000, 4000]) await execute(fleet, ms);
    await fleet.submit();
    const durations = (await pool(fleet))?.durations;
    expect(Object.fromEntries(durations ?? [])).toEqual({
      [signatureOf(aRequest({ steps: 8 }))]: 1300,
      [signatureOf(aRequest({ steps: 12 }))]: 4000,
      sketch: 2110,
      'key anonymous': 2110,
    });
    expect(await fleet.redis.pttl(fleet.keys.durations(POOL))).toBeGreaterThan(29 * 86_400_000);
  });

  it('do not include loading models, which later jobs may find in memory', async () => {
    const fleet = await openFleet();
    await fleet.submit();
    const { claim, promptId } = await startNext(await fleet.claims());
    const outcome = { ...succeeded(claim.record.id), executedMs: 9000, loadedMs: 8000 } as Outcome;
    await claim.finish(outcome, promptId);
    await fleet.submit();
    expect((await pool(fleet))?.durations.get('sketch')).toBe(1000);
  });

  it('are compared between instances', async () => {
    const fleet = await openFleet();
    const instances = [
      anInstance({ name: 'w1/1', paces: { a: 1000 } }),
      anInstance({ name: 'w1/2', paces: { a: 5000 } }),
    ];
    await fleet.worker('w1').presence.announce(anAnnouncement({ name: 'w1', instances }));
    const { slowness } = await fleet.ledger.fleet.overview();
    expect(slowness.get('w1/2')).toBe(5);
  });

  it('are not learned from a failed job, or if the worker did not see its start or end', async () => {
    const fleet = await openFleet();
    await fleet.submit();
    await fleet.submit();
    const source = await fleet.claims();
    const first = await startNext(source);
    await first.claim.finish(failed(), first.promptId);
    const second = await startNext(source);
    await second.claim.finish(succeeded(second.claim.record.id), second.promptId);
    expect((await fleet.get(second.claim.record.id)).record.status).toBe('succeeded');
    const learned = await fleet.redis.hkeys(fleet.keys.durations(POOL));
    expect(learned.filter((kind) => !kind.startsWith('key '))).toEqual([]);
  });

  it('are forgotten one by one when there are more than a thousand signatures', async () => {
    const fleet = await openFleet();
    const kinds = Array.from({ length: 1000 }, (_, n) => [`kind ${n}`, '5']).flat();
    await fleet.redis.hset(fleet.keys.durations(POOL), ...kinds);
    await fleet.submit();
    await execute(fleet, 1000);
    const learned = await fleet.redis.hgetall(fleet.keys.durations(POOL));
    expect(Object.keys(learned)).toHaveLength(1000);
    expect(learned[signatureOf(aRequest())]).toBe('1000');
  });
});

describe('the backlog', () => {
  it('contains jobs that have not begun, also lost ones again, but not running, ended or canceling ones', async () => {
    const fleet = await openFleet();
    await fleet.redis.hset(fleet.keys.durations(POOL), 'sketch', 1000);
    const ids = [];
    for (let n = 0; n < 4; n++) ids.push((await fleet.submit()).record.id);
    const backlog = async () => (await pool(fleet))?.backlog;
    expect(await backlog()).toEqual({ jobs: 4, ms: 4000 });
    const source = await fleet.claims();
    const running = await startNext(source);
    expect(await backlog()).toEqual({ jobs: 3, ms: 3000 });
    await running.claim.lose(running.promptId, 'lost');
    expect(await backlog()).toEqual({ jobs: 4, ms: 4000 });
    const held = await nextClaim(source);
    await held.submit(newId(), 'w1/0');
    await fleet.ledger.jobs.cancel(held.record.id);
    await fleet.ledger.jobs.cancel(ids[3] as string);
    expect(await backlog()).toEqual({ jobs: 2, ms: 2000 });
    await held.finish({ status: 'canceled' });
    await running.claim.finish(failed());
    await (await nextClaim(source)).finish(succeeded(ids[2] as string));
    expect(await fleet.redis.exists(fleet.keys.backlog(POOL))).toBe(0);
  });
});

describe('etaSeconds', () => {
  const overview = (overrides: Partial<PoolOverview> = {}): PoolOverview => ({
    pool: POOL,
    waitingKeys: [],
    inWork: [],
    open: 9,
    lods: [],
    waiting: 8,
    running: 0,
    instances: 2,
    occupied: 0,
    workers: 1,
    paused: false,
    durations: new Map([['sketch', 10_000]]),
    backlog: { jobs: 4, ms: 80_000 },
    backlogMs: 80_000,
    ...overrides,
  });
  const eta = async (record: object, ahead: number | null, seen: PoolOverview | undefined, now = 0) => {
    const fleet = await openFleet();
    const snapshot = await fleet.submit();
    return etaSeconds({ ...snapshot, record: { ...snapshot.record, ...record }, ahead }, seen, now);
  };

  it("is the mean of the jobs ahead, divided among the instances, plus the job's own duration", async () => {
    expect(await eta({}, 0, overview())).toBe(10);
    expect(await eta({}, 6, overview())).toBe(6 * 10 + 10);
    expect(await eta({}, null, overview())).toBe(10);
  });

  it('adds half of a running job, divided as well, when every instance is busy', async () => {
    expect(await eta({}, 0, overview({ running: 2 }))).toBe(5 + 10);
    expect(await eta({}, 0, overview({ running: 1, occupied: 1 }))).toBe(5 + 10);
  });

  it('is the rest of the learned duration at first, and follows the progress later', async () => {
    const running = { status: 'running', startedAt: 1000 };
    const progress = (fraction: number) => ({ fraction, step: null, steps: null, node: null });
    expect(await eta({ ...running, progress: progress(0) }, null, overview(), 4000)).toBe(7);
    expect(await eta({ ...running, progress: progress(0.5) }, null, overview(), 5000)).toBe(4);
    expect(await eta({ ...running, progress: progress(0) }, null, overview(), 60_000)).toBe(1);
  });

  it('is null for jobs that ended or are being canceled, without instances, and without learned durations', async () => {
    for (const status of ['succeeded', 'canceling']) expect(await eta({ status }, null, overview())).toBeNull();
    expect(await eta({}, 0, overview({ instances: 0 }))).toBeNull();
    expect(await eta({}, 0, overview({ durations: new Map() }))).toBeNull();
    expect(await eta({}, 0, undefined)).toBeNull();
  });
});
