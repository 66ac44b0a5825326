import { ANONYMOUS, newId } from '@comfy-fleet/contracts';
import { claimNext } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { failed, nextClaim, openFleet, startNext } from './builders.js';

const graph = { workflow: 'graph' };
const MINUTE = 60_000;

/** A fleet whose keys order their own graphs. */
async function graphFleet() {
  const fleet = await openFleet();
  const source = await fleet.claims();
  const order = async (key = 'mallory', request = graph) => (await fleet.submit({ key, request })).record.id;
  /** Executes the next job, which kills its instance and ends for that. */
  const kill = async () => {
    const { claim, promptId } = await startNext(source);
    await claim.kill(promptId);
    await claim.finish(failed('prompt_lost'), promptId);
  };
  return {
    ...fleet,
    source,
    order,
    kill,
    orderAndKill: async (key?: string) => {
      await order(key);
      await kill();
    },
    /** The id of the job that is handed out next. */
    next: async () => (await claimNext(source))?.record.id,
    kills: () => fleet.worker().kills(),
    /** Moves everything that was recorded so far into the past. */
    passed: async (ms: number) => {
      for (const [what, json] of Object.entries(await fleet.redis.hgetall(fleet.keys.kills))) {
        const kills = JSON.parse(json);
        await fleet.redis.hset(fleet.keys.kills, what, JSON.stringify({ ...kills, until: kills.until - ms }));
      }
    },
  };
}

it('counts own graphs and jobs with files during which instances died or fell silent', async () => {
  const { submit, source, order, kills, redis, keys } = await graphFleet();
  const start = async (key: string, request = {}) => {
    await submit({ key, request });
    return startNext(source);
  };
  await order('lucky');
  const lost = await startNext(source);
  await lost.claim.lose(lost.promptId, 'lost');
  await order('mallory');
  for (const why of ['died', 'silent'] as const) {
    const { claim, promptId } = await startNext(source);
    await claim.lose(promptId, why);
    await claim.release(0);
  }
  await order('eve');
  const last = await startNext(source);
  await last.claim.finish(failed('instance_killed'), last.promptId);
  const other = await start('anna');
  await other.claim.lose(other.promptId, 'died');
  const inputs = { image: { name: `${'a'.repeat(64)}.webp`, kind: 'image' as const } };
  const loading = await start('anna', { workflow: 'thumb', inputs });
  await loading.claim.lose(loading.promptId, 'died');
  const found = await kills();
  expect(found.toSorted((a, b) => (a.key < b.key ? -1 : 1))).toMatchObject([
    { key: 'anna', workflow: 'thumb', rests: 0 },
    { key: 'eve', workflow: 'graph', rests: 0 },
    { key: 'mallory', workflow: 'graph', rests: 1 },
  ]);
  expect(await redis.pttl(keys.kills)).toBeGreaterThan(24 * 60 * MINUTE);
});

it('counts each own graph that killed an instance once, canceled or not, but not published workflows or jobs without keys', async () => {
  const { submit, source, ledger, kills } = await graphFleet();
  const orders = [{ key: 'mallory', request: graph }, { key: 'mallory' }, { key: ANONYMOUS, request: graph }];
  for (const order of orders) {
    const { id } = (await submit(order)).record;
    const { claim, promptId } = await startNext(source);
    expect(await claim.kill('of an earlier submission')).toBe('ok');
    expect(await claim.kill(promptId)).toBe('ok');
    await ledger.jobs.cancel(id);
    expect(await claim.kill(promptId)).toBe('canceling');
    await claim.finish({ status: 'canceled', inDoubt: true }, promptId);
    expect(await claim.kill(promptId)).toBe('superseded');
  }
  expect(await kills()).toEqual([{ key: 'mallory', workflow: 'graph', rests: 0, until: expect.any(Number) }]);
});

it('counts a kill by a job of a published workflow that names a model by a URL', async () => {
  const { submit, source, kills } = await graphFleet();
  const name = 'url/0123456789abcdef0123456789abcdef.safetensors';
  await submit({ key: 'mallory', request: { inputs: { lora: name } } });
  const { claim, promptId } = await startNext(source);
  expect(await claim.kill(promptId)).toBe('ok');
  expect(await kills()).toMatchObject([{ key: 'mallory', workflow: 'text2img', rests: 0 }]);
});

it('hands out one own graph of a key at a time after a kill, to any worker, and all other jobs as before', async () => {
  const { order, orderAndKill, source, next, claims, submit, get } = await graphFleet();
  await orderAndKill();
  const first = await order();
  const second = await order();
  const trial = await nextClaim(source);
  expect(trial.record.id).toBe(first);
  expect(await claimNext(await claims())).toBeUndefined();
  const published = (await submit({ key: 'mallory' })).record.id;
  const others = [await order('anna'), await order('anna')];
  expect(new Set([await next(), await next(), await next()])).toEqual(new Set([published, ...others]));
  expect(await next()).toBeUndefined();
  expect((await get(second)).isHeldAfterKill).toBe(true);
  await trial.finish(failed());
  expect((await get(second)).isHeldAfterKill).toBe(false);
  expect(await next()).toBe(second);
});

it('makes own graphs of a key rest after two kills, whatever was claimed before, while other jobs of the key continue', async () => {
  const { order, orderAndKill, kill, source, next, submit, kills } = await graphFleet();
  await Promise.all([order(), order()]);
  const before = await nextClaim(source);
  await kill();
  expect(await before.submit(newId(), 'w1/0')).toBe('ok');
  await before.finish(failed());
  await orderAndKill();
  const [resting] = await kills();
  expect(resting).toMatchObject({ key: 'mallory', workflow: 'graph', rests: 1 });
  expect((resting?.until ?? 0) - Date.now()).toBeGreaterThan(9 * MINUTE);
  await order();
  expect(await next()).toBeUndefined();
  const published = (await submit({ key: 'mallory' })).record.id;
  expect(await next()).toBe(published);
});

it('recalls all but one of the graphs that were claimed before a kill and not submitted', async () => {
  const { order, kill, source } = await graphFleet();
  await Promise.all([order(), order(), order()]);
  const [one, two] = [await nextClaim(source), await nextClaim(source)];
  await kill();
  expect(await one.submit(newId(), 'w1/0')).toBe('recalled');
  await one.release(0);
  expect(await two.submit(newId(), 'w1/0')).toBe('ok');
  expect(one.record.submissions).toBe(0);
});

it('doubles the rest with each later kill, up to a day, and forgets everything an hour after it', async () => {
  const { orderAndKill, kills, passed } = await graphFleet();
  const restMinutes = async () => Math.round((((await kills())[0]?.until ?? 0) - Date.now()) / MINUTE);
  await orderAndKill();
  const rests: number[] = [];
  for (let n = 0; n < 10; n++) {
    await orderAndKill();
    rests.push(await restMinutes());
    await passed((await restMinutes()) * MINUTE + 30 * MINUTE);
  }
  expect(rests).toEqual([10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440]);
  await passed(31 * MINUTE);
  await orderAndKill();
  expect((await kills())[0]?.rests).toBe(0);
});

it('hands out graphs as before when the only one that killed succeeds elsewhere, until another one kills', async () => {
  const { order, source, next, kills } = await graphFleet();
  const succeedElsewhere = async () => {
    await order();
    const { claim, promptId } = await startNext(source);
    await claim.lose(promptId, 'died');
    const others = [await order(), await order()];
    expect(await next()).toBeUndefined();
    const again = newId();
    await claim.submit(again, 'w1/1');
    await claim.start(again);
    await claim.finish({ status: 'succeeded', outputs: [] }, again);
    return others;
  };
  const others = await succeedElsewhere();
  const [one, two] = [await startNext(source), await startNext(source)];
  expect(new Set([one.claim.record.id, two.claim.record.id])).toEqual(new Set(others));
  await one.claim.finish(failed(), one.promptId);
  await two.claim.kill(two.promptId);
  expect(await kills()).toMatchObject([{ rests: 1 }]);
  await order();
  expect(await next()).toBeUndefined();
  await two.claim.finish({ status: 'succeeded', outputs: [] }, two.promptId);
  expect(await next()).toBeUndefined();
});

it('lets jobs of a published workflow with files of the key rest after four kills, canceled or not', async () => {
  const { submit, source, ledger, next, kills } = await graphFleet();
  const request = { workflow: 'thumb', inputs: { image: { name: `${'a'.repeat(64)}.webp`, kind: 'image' as const } } };
  for (const why of ['died', 'silent', 'died', undefined] as const) {
    const { id } = (await submit({ key: 'mallory', request })).record;
    const { claim, promptId } = await startNext(source);
    if (why === undefined) await claim.kill(promptId);
    else await claim.lose(promptId, why);
    await ledger.jobs.cancel(id);
    await claim.finish({ status: 'canceled' }, promptId);
  }
  const [resting] = await kills();
  expect(resting).toMatchObject({ key: 'mallory', workflow: 'thumb', rests: 1 });
  expect((resting?.until ?? 0) - Date.now()).toBeGreaterThan(9 * MINUTE);
  expect(await next()).toBeUndefined();
});

it('does not extend the rest for instances that executed graphs of the key when it began', async () => {
  const { order, source, kills } = await graphFleet();
  await Promise.all(Array.from({ length: 8 }, () => order()));
  const started = [];
  for (let n = 0; n < 8; n++) started.push(await startNext(source));
  for (const { claim, promptId } of started) await claim.kill(promptId);
  const [rest] = await kills();
  expect(rest?.rests).toBe(1);
  expect((rest?.until ?? 0) - Date.now()).toBeLessThanOrEqual(10 * MINUTE);
});
