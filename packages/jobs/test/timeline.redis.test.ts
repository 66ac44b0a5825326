import { expect, it } from 'vitest';
import type { Execution } from '../src/index.js';
import { anAnnouncement, type Fleet, failed, nextClaim, openFleet, POOL, startNext, succeeded } from './builders.js';

const HOUR_MS = 3_600_000;

const sawAt = (fleet: Fleet, instance: string, at: number) =>
  fleet.redis.hset(fleet.keys.catalogueDigests(POOL), instance, `${at} digest`);

/** The executions of an instance within the last hour. */
async function executionsOf(fleet: Fleet, instance = 'w1/0') {
  await sawAt(fleet, instance, Date.now());
  const timeline = await fleet.ledger.fleet.timeline(60);
  for await (const page of timeline.pages) {
    const found = page.find((one) => one.instance === instance);
    if (found !== undefined) return found;
  }
  return { instance, executions: [] as readonly Execution[], isCut: false };
}

it('shows the executions of an instance: outcome, key, and how long models were loaded', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const done = (await fleet.submit({ key: 'anna' })).record.id;
  const first = await startNext(source);
  const outcome = { ...succeeded(done), executedMs: 5000, loadedMs: 3000 };
  await first.claim.finish(outcome, first.promptId);
  const wrong = (await fleet.submit({ key: 'bert', request: { lod: 'final' } })).record.id;
  const second = await startNext(source);
  await second.claim.finish(failed(), second.promptId, { nodes: [], modelLoadMs: 1 });
  const unwanted = (await fleet.submit()).record.id;
  const third = await startNext(source);
  await fleet.ledger.jobs.cancel(unwanted);
  await third.claim.finish({ status: 'canceled' }, third.promptId);

  const { executions, isCut } = await executionsOf(fleet);
  expect(isCut).toBe(false);
  const common = { workflow: 'text2img', lod: 'sketch', key: 'anonymous', loadingMs: 0 };
  expect(executions).toMatchObject([
    { ...common, job: done, key: 'anna', outcome: 'completed', loadingMs: 3000 },
    { ...common, job: wrong, key: 'bert', lod: 'final', outcome: 'failed', loadingMs: 1 },
    { ...common, job: unwanted, outcome: 'canceled' },
  ]);
  const ms = executions.map(({ from, till }) => till - from);
  // The next one began, so the first had ended.
  expect(ms[0]).toBeLessThanOrEqual(5000);
  for (const [index, { from }] of executions.entries()) {
    expect(from).toBeGreaterThanOrEqual(executions[index - 1]?.till ?? 0);
  }
});

it('ends a job whose models scripts cannot parse', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const { id } = (await fleet.submit({ models: ['\ud800.bin'] })).record;
  const { claim, promptId } = await startNext(source);
  await claim.finish(succeeded(id), promptId);
  expect((await executionsOf(fleet)).executions).toMatchObject([{ job: id, workflow: 'text2img' }]);
});

it('reads only the requested part of a long list, and all of that', async () => {
  const fleet = await openFleet();
  const list = fleet.keys.timeline('w1/0');
  const now = Date.now();
  const line = (n: number) =>
    `${now - n * 10_000 - 9000} ${now - n * 10_000} 0 succeeded sketch anna job-${n} a poster`;
  for (let n = 0; n < 200; n += 1) await fleet.redis.rpush(list, line(n));
  await fleet.redis.sadd(fleet.keys.pools, POOL);
  await sawAt(fleet, 'w1/0', now);
  const jobs = async (minutes: number) => {
    const timeline = await fleet.ledger.fleet.timeline(minutes);
    for await (const [found] of timeline.pages) return found?.executions.map(({ job }) => job) ?? [];
    return [];
  };
  expect((await jobs(1)).length).toBeLessThan(10);
  expect((await jobs(20)).length).toBeGreaterThan(100);
  expect(await jobs(60)).toEqual(Array.from({ length: 200 }, (_, n) => `job-${199 - n}`));
  expect((await executionsOf(fleet)).executions[0]?.workflow).toBe('a poster');
});

it('shows running executions up to now, and nothing of jobs that were never executed', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  await fleet.submit();
  const { claim } = await startNext(source);
  await fleet.submit();
  const refused = await nextClaim(source);
  await refused.submit('p2', 'w1/0');
  await refused.finish(failed('workflow_rejected'));
  await fleet.ledger.jobs.cancel((await fleet.submit()).record.id);
  const { executions } = await executionsOf(fleet);
  expect(executions).toMatchObject([{ job: claim.record.id, workflow: 'text2img', outcome: 'running' }]);
  await claim.collect();
  expect((await executionsOf(fleet)).executions).toMatchObject([{ outcome: 'running' }]);
});

it('shows a lost execution on its instance, and the next one on its own', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const { id } = (await fleet.submit()).record;
  const { claim, promptId } = await startNext(source);
  await claim.lose(promptId, 'died');
  await claim.submit('p2', 'w1/1');
  await claim.start('p2');
  await claim.lose('p2', 'faulty', []);
  await claim.submit('p3', 'w2/0');
  await claim.start('p3');
  await claim.finish(succeeded(id), 'p3');
  // A repeat changes nothing.
  await claim.lose('p2', 'faulty', []);
  await claim.finish(succeeded(id), 'p3');
  const outcomes = await Promise.all(
    ['w1/0', 'w1/1', 'w2/0'].map(async (name) =>
      (await executionsOf(fleet, name)).executions.map(({ job, outcome }) => [job, outcome]),
    ),
  );
  expect(outcomes).toEqual([[[id, 'stopped']], [[id, 'failed']], [[id, 'completed']]]);
});

it('shows an execution once, from its start, if another worker took over its job', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const { id } = (await fleet.submit()).record;
  const { claim, promptId } = await startNext(source);
  const { startedAt } = (await fleet.get(id)).record;
  await fleet.supersede(id);
  expect(await claim.finish(succeeded(id), promptId)).toBe('superseded');
  expect((await executionsOf(fleet)).executions).toMatchObject([{ from: startedAt, outcome: 'running' }]);
  const { record } = await fleet.get(id);
  const token = await fleet.redis.hget(fleet.keys.job(id), 'claimed_with');
  const claimed = `${record.claim} ${token}`;
  await fleet.run('finish', id, { claim: claimed, outcome: 'succeeded', outputs: '[]', executed: promptId });
  expect((await executionsOf(fleet)).executions).toMatchObject([{ from: startedAt, job: id, outcome: 'completed' }]);
});

it('shows an execution as failed if its job ends because too many workers died', async () => {
  const fleet = await openFleet();
  const { id } = (await fleet.submit()).record;
  await startNext(await fleet.worker('w1').claims(POOL));
  const heir = await fleet.worker('w1', { maxWorkerDeaths: 1 }).claims(POOL);
  expect((await heir.leftBehind().next()).value).toBeUndefined();
  expect((await executionsOf(fleet)).executions).toMatchObject([{ job: id, workflow: 'text2img', outcome: 'failed' }]);
});

it('keeps the last 720 executions of each instance for an hour, and reports if there were more', async () => {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const earlier = (n: number) => `${Date.now() - 60_000} ${Date.now() - 60_000} 0 succeeded mid anna job-${n} text2img`;
  await fleet.redis.rpush(fleet.keys.timeline('w1/0'), ...Array.from({ length: 719 }, (_, n) => earlier(n)));
  const finishOne = async () => {
    const { id } = (await fleet.submit()).record;
    const { claim, promptId } = await startNext(source);
    await claim.finish(succeeded(id), promptId);
    return id;
  };
  const ids = [await finishOne(), await finishOne()];
  const { executions, isCut } = await executionsOf(fleet);
  expect(isCut).toBe(true);
  expect(executions).toHaveLength(720);
  expect(executions.slice(-2).map(({ job }) => job)).toEqual(ids);
  const left = await fleet.redis.pttl(fleet.keys.timeline('w1/0'));
  expect(left).toBeGreaterThan(HOUR_MS - 60_000);
  expect(left).toBeLessThanOrEqual(HOUR_MS);
});

it('lists current and recently used instances by name, and omits what is too old', async () => {
  const fleet = await openFleet();
  await fleet.worker('w1').presence.announce(anAnnouncement({ name: 'w1' }));
  const now = Date.now();
  const line = (from: number, till: number) => `${from} ${till} 0 succeeded mid anna job text2img`;
  await fleet.redis.lpush(fleet.keys.timeline('gone/1'), line(now - 60_000, now - 30_000));
  await fleet.redis.lpush(fleet.keys.timeline('w1/0'), line(now - 200_000, now - 190_000), line(now - 180_000, now));
  await fleet.redis.sadd(fleet.keys.pools, POOL);
  await sawAt(fleet, 'gone/1', now - 30_000);
  await sawAt(fleet, 'older/1', now - HOUR_MS - 1000);
  const { from, size, pages } = await fleet.ledger.fleet.timeline(2);
  const all = [];
  for await (const page of pages) all.push(...page);
  expect(size).toBe(2);
  expect(all.map(({ instance }) => instance)).toEqual(['gone/1', 'w1/0']);
  expect(all[1]?.executions).toMatchObject([{ from, till: now, job: 'job' }]);
});
