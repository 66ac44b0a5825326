import { hashApiKey, parseApiKeys } from '@comfy-fleet/config';
import { expect, it } from 'vitest';
import { makePlan } from '../src/trials/chaos/plan.js';
import { CHAOS, NAMES } from '../src/trials/chaos/settings.js';
import { longestFree } from '../src/trials/evidence/executions.js';
import { keysFile } from '../src/trials/orders/plan-orders.js';

it('makes the same plan for the same seed, and another plan for another seed', () => {
  expect(makePlan(7, 100)).toEqual(makePlan(7, 100));
  const [one, other] = [makePlan(7, 100), makePlan(8, 100)];
  for (const part of ['jobs', 'kills', 'faults'] as const) expect(one[part]).not.toEqual(other[part]);
});

it('kills every kind of process and plants every kind of fault in a long run', () => {
  const { kills, faults, jobs } = makePlan(7, 500);
  const roles = new Set(kills.map(({ process }) => process.replace(/worker\d\/\d/, 'simulator').replace(/\d/, '')));
  expect([...roles].sort()).toEqual(['api', 'dispatcher', 'redis', 'simulator', 'worker']);
  expect([...new Set(faults.map(({ fault }) => fault.kind))].sort()).toEqual([
    'error_after_accepting',
    'hang',
    'lost_history',
    'node_error',
    'out_of_memory',
    'reset_after_accepting',
    'reset_before_accepting',
    'silent_socket',
    'slow_view',
  ]);
  expect([...new Set(jobs.map(({ path }) => path))].sort()).toEqual([
    '/generate',
    '/img2img',
    '/workflows/two-kinds',
    '/workflows/wan22-t2v',
  ]);
  const moments = new Set(jobs.flatMap(({ cancel }) => (cancel === undefined ? [] : typeof cancel.when)));
  expect(moments).toEqual(new Set(['string', 'number']));
});

it('makes one GPU fail every prompt for a while, and another one hang and ignore interrupts', () => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7]) {
    const { sicknesses, lengthMs } = makePlan(seed, 50);
    expect(sicknesses.map(({ kind }) => kind)).toEqual(['cuda_error', 'hung']);
    expect(new Set(sicknesses.map(({ simulator }) => simulator)).size).toBe(2);
    for (const { afterMs } of sicknesses) expect(afterMs).toBeLessThanOrEqual(lengthMs / 2);
  }
});

it('encodes texts ahead on some instances of each version, which depend on the seed', () => {
  const chosen = [1, 2, 3, 4, 5, 6, 7].map((seed) => makePlan(seed, 50).smallCards);
  for (const names of chosen) {
    expect(names).toHaveLength(CHAOS.smallCards);
    expect(names.filter((name) => NAMES.simulators.indexOf(name) % 2 === 0)).toHaveLength(CHAOS.smallCards / 2);
  }
  expect(new Set(chosen.map(String)).size).toBeGreaterThan(1);
});

it('has every kind of webhook, order and receiver answer in a long run', () => {
  const { jobs, callers } = makePlan(7, 500);
  const answers = jobs.flatMap(({ callback }) => callback.answers);
  const words = answers.map((answer) => (typeof answer === 'string' ? answer : `${answer.status}`));
  expect([...new Set(words)].sort()).toEqual(['200', '202', '204', '410', '500', '503', 'hang', 'reset']);
  expect(answers.some((answer) => typeof answer !== 'string' && answer.delayMs !== undefined)).toBe(true);
  expect(answers.every((answer) => typeof answer === 'string' || (answer.delayMs ?? 0) < CHAOS.webhookTimeoutMs)).toBe(
    true,
  );
  for (const has of [true, false]) {
    expect(jobs.some(({ callback }) => (callback.secret !== undefined) === has)).toBe(true);
    expect(jobs.some(({ callback }) => (callback.events !== undefined) === has)).toBe(true);
    expect(jobs.some(({ callback }) => (callback.killAfterMs !== undefined) === has)).toBe(true);
    expect(jobs.some(({ repeats }) => (repeats !== undefined) === has)).toBe(true);
  }
  expect(new Set(jobs.map(({ callback }) => callback.form)).size).toBe(2);
  expect(new Set(jobs.map(({ caller }) => caller.id))).toEqual(new Set(callers.map(({ id }) => id)));
});

it('ends the answers of each receiver with a 2xx or a 410 before the last retry', () => {
  for (const { callback } of makePlan(7, 500).jobs) {
    expect(callback.answers.length).toBeLessThan(CHAOS.webhookRetries);
    const last = callback.answers.at(-1);
    expect([200, 202, 204, 410]).toContain(typeof last === 'string' ? last : last?.status);
    expect(callback.answers.slice(0, -1).every((answer) => typeof answer === 'string' || answer.status >= 500)).toBe(
      true,
    );
  }
});

it('uses an Idempotency-Key once per caller, and some for both callers', () => {
  const { jobs } = makePlan(7, 500);
  const used = jobs.flatMap(({ caller, repeats }) =>
    repeats === undefined ? [] : [{ by: caller.id, key: repeats.key }],
  );
  expect(new Set(used.map(({ by, key }) => `${by} ${key}`)).size).toBe(used.length);
  expect(new Set(used.map(({ key }) => key)).size).toBeLessThan(used.length);
});

it('writes a keys file in which services find the callers and their secrets', () => {
  const { callers } = makePlan(7, 1);
  const [steady, rotating] = callers;
  expect([steady?.secrets.length, rotating?.secrets.length]).toEqual([1, 2]);
  const keys = parseApiKeys(JSON.stringify(keysFile(callers)), 'keys.json');
  expect(keys).toEqual(
    callers.map(({ id, key, secrets }) =>
      expect.objectContaining({ id, sha256: hashApiKey(key), webhook: { secrets } }),
    ),
  );
});

it('kills a process every one to three seconds until some seconds after the last job', () => {
  const { kills, jobs, lengthMs } = makePlan(3, 200);
  for (const { afterMs } of kills) expect(afterMs >= 1000 && afterMs <= 3000).toBe(true);
  const lastKill = kills.reduce((sum, { afterMs }) => sum + afterMs, 0);
  expect(lengthMs - lastKill).toBeLessThanOrEqual(3000);
  expect(jobs.reduce((sum, { afterMs }) => sum + afterMs, 0)).toBeLessThan(lengthMs);
});

it('finds the longest part of a span that no other span covers', () => {
  const whole = { from: 100, to: 200 };
  expect(longestFree(whole, [])).toBe(100);
  expect(longestFree(whole, [{ from: 150, to: 160 }])).toBe(50);
  expect(
    longestFree(whole, [
      { from: 0, to: 130 },
      { from: 190, to: 300 },
    ]),
  ).toBe(60);
  expect(
    longestFree(whole, [
      { from: 120, to: 180 },
      { from: 130, to: 140 },
    ]),
  ).toBe(20);
  expect(longestFree(whole, [{ from: 0, to: 300 }])).toBe(0);
  expect(longestFree(whole, [{ from: 300, to: 400 }])).toBe(100);
});
