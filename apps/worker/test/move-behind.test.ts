import type { JobRecord } from '@comfy-fleet/jobs';
import { expect, it } from 'vitest';
import { ableToTake, moveBehind } from '../src/claiming/move-behind.js';
import type { Slot } from '../src/slots/slots.js';
import { Submission } from '../src/submission/submission.js';
import { aRequest, folderOnly, NO_GRAPH, NOWHERE, someSlots } from './held.js';

/**
 * The slots of an instance with jobs of these pools in this order, the first one running; and those of an idle
 * instance.
 */
function slotsWith(...pools: string[]) {
  const open = (name: string) => {
    const slots = someSlots(NOWHERE, { name, pools: ['default', 'video'] });
    slots.instance.health.reached();
    return slots;
  };
  const [busy, idle] = [open('w/1'), open('w/2')];
  const taken = pools.map((pool, n) => {
    const slot = busy.take({ id: `${n}`, pool, movedAt: null, request: { inputs: {} } } as JobRecord, () => {});
    slot.submission = new Submission({
      promptId: `${n}`,
      bound: NO_GRAPH,
      request: { inputs: {} },
      instance: busy.instance,
      onNews: () => {},
      onLoads: () => {},
    });
    slot.submission.submittedAt = performance.now();
    return slot;
  });
  return { all: [busy, idle], idle, taken };
}

const able = () => true;
const loadMs = () => 0;
const movedOf = (taken: readonly Slot[]) => taken.map((slot) => slot.isToBeTakenBack);

it('moves the job that would begin last to an idle instance', () => {
  const { all, idle, taken } = slotsWith('default', 'default', 'default');
  expect(moveBehind(all, { able, loadMs, patienceMs: 30_000, isPaused: () => false }, 'may have jobs')).toBe(true);
  expect(movedOf(taken)).toEqual([false, false, true]);
  expect(taken[2]?.endTakeBack()).toBe(idle);
});

it('skips a job of a paused pool and moves an earlier one of another pool', () => {
  const { all, taken } = slotsWith('default', 'default', 'video');
  expect(
    moveBehind(all, { able, loadMs, patienceMs: 30_000, isPaused: (pool) => pool === 'video' }, 'may have jobs'),
  ).toBe(true);
  expect(movedOf(taken)).toEqual([false, true, false]);
});

it('moves nothing when the pools of all waiting jobs are paused', () => {
  const { all, idle, taken } = slotsWith('default', 'video', 'video');
  expect(
    moveBehind(all, { able, loadMs, patienceMs: 30_000, isPaused: (pool) => pool === 'video' }, 'may have jobs'),
  ).toBe(false);
  expect(movedOf(taken)).toEqual([false, false, false]);
  expect(idle.isIdle).toBe(true);
});

it('moves a job only once within the patience', () => {
  const { all, taken } = slotsWith('default', 'default', 'default');
  const [, second, last] = taken as [Slot, Slot, Slot];
  last.movedAt = Date.now();
  expect(moveBehind(all, { able, loadMs, patienceMs: 30_000, isPaused: () => false }, 'may have jobs')).toBe(true);
  expect(movedOf(taken)).toEqual([false, true, false]);
  second.endTakeBack();
  second.movedAt = Date.now();
  last.movedAt = Date.now() - 30_000;
  expect(moveBehind(all, { able, loadMs, patienceMs: 30_000, isPaused: () => false }, 'may have jobs')).toBe(true);
  expect(movedOf(taken)).toEqual([false, false, true]);
});

it('moves a job that needs loading only if it would wait too long, while the queue may have jobs', () => {
  const { all, idle, taken } = slotsWith('default', 'default');
  const move = (load: number, patienceMs: number, queue: 'may have jobs' | 'has none') => {
    const isMoved = moveBehind(all, { able, loadMs: () => load, patienceMs, isPaused: () => false }, queue);
    if (isMoved) taken[1]?.endTakeBack();
    return isMoved;
  };
  const waitMs = taken[1]?.waitMs ?? 0;
  const [shorter, longer] = [waitMs / 2, waitMs * 2];
  expect(idle.isIdle && waitMs > 0).toBe(true);
  expect(move(shorter, longer, 'may have jobs')).toBe(false);
  expect(move(shorter, shorter, 'may have jobs')).toBe(true);
  expect(move(longer, shorter, 'may have jobs')).toBe(false);
  expect(move(shorter, longer, 'has none')).toBe(true);
});

it('lets an instance take over no job of a key of which too many jobs are collected there', async () => {
  const able = ableToTake(await folderOnly());
  const { idle } = slotsWith('default');
  const of = (key: string) =>
    ({ id: key, key, pool: 'default', request: aRequest(), faults: [] }) as unknown as JobRecord;
  for (let n = 0; n < 16; n += 1) idle.take(of('mallory'), () => {}).leaveGpu();
  expect([able(of('mallory'), idle), able(of('anna'), idle)]).toEqual([false, true]);
});
