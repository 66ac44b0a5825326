import type { JobRecord } from '@comfy-fleet/jobs';
import { describe, expect, it } from 'vitest';
import { type PlacementRules, placeJob } from '../src/claiming/placement.js';
import type { Slots } from '../src/slots/slots.js';
import { NOWHERE, someSlots } from './held.js';

/** Slots of an instance that is up. */
function open(name: string): Slots {
  const slots = someSlots(NOWHERE, { name });
  slots.instance.health.reached();
  return slots;
}

function aRecord(over: Partial<JobRecord> = {}): JobRecord {
  const request = { workflow: 'text2img', inputs: { checkpoint: 'sdxl' } };
  const record = { id: 'job', key: 'k', pool: 'default', claim: 1, ooms: 0, faults: [], promptId: null };
  return { ...record, instance: null, orphanedMs: null, request, ...over } as unknown as JobRecord;
}

/** Takes a slot for another job. */
const fill = (slots: Slots) => slots.take(aRecord({ id: 'other' }), () => {});

const place = (record: JobRecord, all: readonly Slots[], over: Partial<PlacementRules> = {}) =>
  placeJob(record, all, {
    worker: 'w',
    adoptWaitMs: 60_000,
    leastVram: async () => 0,
    able: () => true,
    others: async () => 0,
    random: () => 1,
    ...over,
  });

const fault = (instance: string) => ({ instance, code: 'gpu_failed', print: 'CUDA', suspect: false }) as const;

describe('a job whose submission an instance may still have', () => {
  it('goes to that instance even if it is drained, busy or resting and another one is idle', async () => {
    const [holder, idle] = [open('w/1'), open('w/2')];
    fill(holder);
    fill(holder);
    holder.drains = true;
    expect(await place(aRecord({ promptId: 'p', instance: 'w/1' }), [idle, holder])).toEqual({ slots: holder });
  });

  it('is left to the worker of that instance for a time', async () => {
    const idle = open('w/1');
    const left = { promptId: 'p', instance: 'v/1' };
    expect(await place(aRecord({ ...left, orphanedMs: 59_999 }), [idle])).toMatchObject({ releaseMs: 500 });
    expect(await place(aRecord({ ...left, orphanedMs: 60_000 }), [idle])).toEqual({ slots: idle });
  });

  it("goes to any instance when that one was removed from this worker's settings", async () => {
    const idle = open('w/1');
    expect(await place(aRecord({ promptId: 'p', instance: 'w/9', orphanedMs: 0 }), [idle])).toEqual({ slots: idle });
  });
});

describe('a new job', () => {
  it('goes to an idle instance, else behind a running prompt, else back to the queue for a moment', async () => {
    const [first, second] = [open('w/1'), open('w/2')];
    fill(first);
    expect(await place(aRecord(), [first, second])).toEqual({ slots: second });
    fill(second);
    expect(await place(aRecord(), [first, second])).toEqual({ slots: first });
    fill(first);
    fill(second);
    const full = await place(aRecord(), [first, second]);
    expect(full).toEqual({ releaseMs: 250, reason: 'every instance here is busy' });
  });

  it('prefers an instance that did not have it before', async () => {
    const [had, other] = [open('w/1'), open('w/2')];
    expect(await place(aRecord({ instance: 'w/1' }), [had, other])).toEqual({ slots: other });
    fill(other);
    expect(await place(aRecord({ instance: 'w/1' }), [had, other])).toEqual({ slots: had });
  });

  it('goes back when no instance can run it, for longer with each claim', async () => {
    const releaseMs = async (claim: number) => {
      const placement = await place(aRecord({ claim }), [open('w/1')], { able: () => false });
      return 'releaseMs' in placement ? [placement.releaseMs, placement.unable] : undefined;
    };
    expect(await releaseMs(1)).toEqual([500, true]);
    expect(await releaseMs(3)).toEqual([2000, true]);
    expect(await releaseMs(20)).toEqual([10_000, true]);
  });

  it('goes back for a GPU with enough memory after two out-of-memory errors, but not after one', async () => {
    const small = open('w/1');
    const leastVram = async () => 24;
    expect(await place(aRecord({ ooms: 1 }), [small], { leastVram })).toEqual({ slots: small });
    const placement = await place(aRecord({ ooms: 2 }), [small], { leastVram });
    expect(placement).toMatchObject({ reason: 'it needs a GPU with more memory', unable: true });
  });
});

describe("a job whose failure may be its instance's fault", () => {
  const failed = aRecord({ instance: 'w/1', faults: [fault('w/1')] });

  it('goes to an instance where it has not failed', async () => {
    const [had, other] = [open('w/1'), open('w/2')];
    fill(other);
    expect(await place(failed, [had, other])).toEqual({ slots: other });
  });

  it('is left to others while one of them can try it, and then retried where it failed', async () => {
    const had = open('w/1');
    const placement = await place(failed, [had], { others: async () => 1 });
    expect(placement).toMatchObject({ releaseMs: 500, unable: true });
    expect(await place(failed, [had])).toEqual({ slots: had });
  });
});

describe('an instance that rests', () => {
  const failAt = ({ instance }: Slots) => instance.health.observed({ code: 'gpu_failed', error: 'CUDA error' });

  it('is given no job, which goes back instead', async () => {
    const resting = open('w/1');
    failAt(resting);
    expect(await place(aRecord(), [resting])).toHaveProperty('releaseMs');
    const well = open('w/2');
    fill(well);
    expect(await place(aRecord(), [resting, well])).toEqual({ slots: well });
  });

  it('gets one trial job before an idle instance when its rest is over', async () => {
    const limits = { failuresToRest: 3, firstRestMs: 0, longestRestMs: 0 };
    const [tried, idle] = [someSlots(NOWHERE, { name: 'w/1', limits }), open('w/2')];
    tried.instance.health.reached();
    failAt(tried);
    expect(await place(aRecord(), [idle, tried])).toEqual({ slots: tried });
    tried.take(aRecord({ id: 'trial' }), () => {});
    expect(await place(aRecord(), [idle, tried])).toEqual({ slots: idle });
  });
});
