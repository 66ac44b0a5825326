import type { JobRecord } from '@comfy-fleet/jobs';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Slot, Slots } from '../src/slots/slots.js';
import { type BoundGraph, Submission } from '../src/submission/submission.js';
import { NO_GRAPH, NOWHERE, someSlots } from './held.js';

let count = 0;

/** Slots of an instance that is up. */
function open(name = 'w/1'): Slots {
  const slots = someSlots(NOWHERE, { name });
  slots.instance.health.reached();
  return slots;
}

/** A job's slot after ComfyUI was given its prompt. */
function submitted(slots: Slots, wake = () => {}, bound: BoundGraph = NO_GRAPH, key = 'anna'): Slot {
  count += 1;
  const record = {
    id: `${count}`,
    pool: 'default',
    key,
    request: { inputs: { checkpoint: 'sdxl' } },
  } as unknown as JobRecord;
  const slot = slots.take(record, wake);
  const { instance } = slots;
  slot.submission = new Submission({
    promptId: `${count}`,
    bound,
    request: { inputs: {} },
    instance,
    onNews: () => {},
    onLoads: () => {},
  });
  slot.submission.submittedAt = performance.now();
  return slot;
}

function begin(slot: Slot): Slot {
  Object.assign(slot.submission ?? {}, { hasBegun: true, beganAt: Date.now() });
  slot.began();
  return slot;
}

describe('the slots of an instance whose pace is unknown', () => {
  it('are two: one to execute and one to wait behind it', () => {
    const slots = open();
    expect([slots.isIdle, slots.freeSlots]).toEqual([true, 2]);
    submitted(slots);
    expect([slots.isIdle, slots.freeSlots]).toEqual([false, 1]);
    submitted(slots);
    expect(slots.freeSlots).toBe(0);
  });

  it('are not free while it is drained or not up', () => {
    const slots = open();
    slots.drains = true;
    expect([slots.isOpen, slots.freeSlots]).toEqual([false, 0]);
    slots.drains = false;
    slots.instance.health.close('wedged', 'it goes on');
    expect([slots.isOpen, slots.freeSlots]).toEqual([false, 0]);
  });
});

it('a job frees its slot when it leaves the GPU, and is counted when it leaves the instance', () => {
  const slots = open();
  const slot = begin(submitted(slots));
  expect([slots.running, slots.waiting, slots.collecting]).toEqual([slot, [], []]);
  slot.leaveGpu();
  expect([slots.running, slots.collecting, slots.isIdle]).toEqual([undefined, [slot], true]);
  slot.became = 'succeeded';
  slot.leave();
  expect([slots.all, slots.ended]).toEqual([[], { succeeded: 1, failed: 0 }]);
});

describe('jobs whose outputs are being collected', () => {
  function collect(slots: Slots, times: number, key: string): Slot[] {
    const collecting = Array.from({ length: times }, () => submitted(slots, () => {}, NO_GRAPH, key));
    for (const slot of collecting) slot.leaveGpu();
    return collecting;
  }

  it('close the instance to all jobs when they are 32', () => {
    const slots = open();
    const [first] = collect(slots, 32, 'anna');
    expect(slots.freeSlots).toBe(0);
    first?.leave();
    expect(slots.freeSlots).toBeGreaterThan(0);
  });

  it('close it only to their key when they are as many of one key as places are left', () => {
    const slots = open();
    collect(slots, 15, 'mallory');
    expect(slots.fullKeys).toEqual([]);
    const [last] = collect(slots, 1, 'mallory');
    expect([slots.fullKeys, slots.isIdle]).toEqual([['mallory'], true]);
    collect(slots, 5, 'eve');
    expect(slots.fullKeys).toEqual(['mallory']);
    collect(slots, 3, 'eve');
    expect(slots.fullKeys).toEqual(['mallory', 'eve']);
    last?.leave();
    expect([slots.fullKeys, slots.isIdle]).toEqual([['mallory'], true]);
  });
});

describe('the running job of an instance', () => {
  it('is the job that began, and the next one when that has ended', () => {
    const slots = open();
    const [first, second] = [submitted(slots), submitted(slots)];
    begin(second);
    expect([first.stage, second.stage]).toEqual(['waiting', 'executing']);
    Object.assign(second.submission?.observed ?? {}, { ended: 1 });
    expect([first.stage, second.stage]).toEqual(['executing', undefined]);
  });

  it('is the first job that it accepted when no beginning was reported, unless it is occupied or hung', () => {
    const slots = open();
    const [asked, first, second] = [submitted(slots), submitted(slots), submitted(slots)];
    Object.assign(asked.submission ?? {}, { submittedAt: undefined });
    expect([asked.stage, first.stage, second.stage]).toEqual([undefined, 'executing', 'waiting']);
    slots.instance.health.close('occupied', 'somebody else');
    expect([asked.stage, first.stage, second.stage]).toEqual([undefined, 'waiting', 'waiting']);
    slots.instance.health.open('occupied');
    slots.instance.health.close('wedged', 'it goes on');
    expect([asked.stage, first.stage, second.stage]).toEqual([undefined, 'waiting', 'waiting']);
    first.leaveGpu();
    expect(first.stage).toBeUndefined();
  });

  it('is unknown after a job was given up because the instance did not answer, until it answers again', () => {
    const slots = open();
    const [lost, behind] = [submitted(slots), submitted(slots)];
    slots.fellSilent();
    lost.leave();
    expect(behind.stage).toBe('waiting');
    slots.instance.health.reached();
    expect(behind.stage).toBe('executing');
  });
});

describe('jobs that were submitted ahead because prompts were short', () => {
  const aheadOfLong = () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const slots = open();
    slots.meter.pace.ended(performance.now(), performance.now() + 1);
    const all = Array.from({ length: 4 }, () => submitted(slots));
    begin(all[0] as Slot);
    return { slots, all, areTakenBack: () => all.map((slot) => slot.isToBeTakenBack) };
  };

  it('are taken back, but for the first, when a prompt takes longer than a quarter of a second', () => {
    const { slots, areTakenBack } = aheadOfLong();
    expect(slots.freeSlots).toBe(5);
    vi.advanceTimersByTime(250);
    expect(areTakenBack()).toEqual([false, false, false, false]);
    vi.advanceTimersByTime(250);
    expect(areTakenBack()).toEqual([false, false, true, true]);
    expect(slots.freeSlots).toBe(0);
  });

  it('stay if the prompt ends sooner', () => {
    const { all, areTakenBack } = aheadOfLong();
    vi.advanceTimersByTime(200);
    all[0]?.leave();
    vi.advanceTimersByTime(2000);
    expect(areTakenBack()).toEqual([false, false, false, false]);
  });
});

describe('a job that is taken back', () => {
  it('has idle slots reserved until it arrives', () => {
    const [busy, idle] = [open(), open('w/2')];
    begin(submitted(busy));
    let woken = 0;
    const behind = submitted(busy, () => {
      woken += 1;
    });
    expect(busy.behind).toEqual([behind]);
    behind.takeBack(idle);
    expect([woken, behind.isToBeTakenBack, busy.behind, idle.freeSlots]).toEqual([1, true, [], 0]);
    expect(behind.endTakeBack()).toBe(idle);
    behind.leave();
    expect(idle.freeSlots).toBe(2);
  });

  it('stays where it is when it has just begun, and the slots are free again', () => {
    const [busy, idle] = [open(), open('w/2')];
    begin(submitted(busy));
    const behind = submitted(busy);
    behind.takeBack(idle);
    begin(behind);
    expect([behind.isToBeTakenBack, idle.freeSlots]).toEqual([false, 2]);
  });

  it('frees its reserved slots when it goes back to the queue instead', () => {
    const [busy, idle] = [open(), open('w/2')];
    begin(submitted(busy));
    const behind = submitted(busy);
    behind.takeBack(idle);
    behind.takeBack();
    expect([behind.isToBeTakenBack, idle.freeSlots]).toEqual([true, 2]);
  });
});

it('a job is expected to begin after the usual times of those before it', () => {
  const slots = open();
  const [first, second, third] = [submitted(slots), submitted(slots), submitted(slots)];
  expect([first, second, third].map(({ waitMs }) => waitMs)).toEqual([undefined, 30_000, 60_000]);
});

describe('the models of a job', () => {
  const CHECKPOINT = {
    ...NO_GRAPH,
    loaders: new Map([['1', { files: ['sdxl'], isLinked: false }]]),
  };

  it('are held once it executes, whether or not the socket reported that', () => {
    const slots = open();
    const slot = begin(submitted(slots, () => {}, CHECKPOINT));
    expect(slots.instance.models.files).toEqual(['sdxl']);
    slot.leave();
    expect(slots.instance.models.files).toEqual(['sdxl']);
  });

  it('are not held when it leaves before it began, whether or not another one executes', () => {
    const slots = open();
    const { models } = slots.instance;
    begin(submitted(slots));
    const slot = submitted(slots, () => {}, CHECKPOINT);
    models.use(['sdxl']);
    expect(models.loadMs(['sdxl'])).toBe(0);
    slot.leave();
    expect(models.loadMs(['sdxl'])).toBeGreaterThan(0);
  });

  it('are not held when it leaves before it was submitted and nothing else is there', () => {
    const slots = open();
    const { models } = slots.instance;
    models.use(['sdxl']);
    slots.take({ id: 'a', pool: 'default', request: { inputs: {} } } as JobRecord, () => {}).leave();
    expect(models.loadMs(['sdxl'])).toBeGreaterThan(0);
  });
});

describe('a hint', () => {
  const record = { pool: 'default', request: { inputs: {} } } as unknown as JobRecord;

  it('counts as busy time, and the job behind it neither as executing nor as stuck', () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const slots = open();
    slots.hint.submitted('hint');
    vi.advanceTimersByTime(1);
    const slot = submitted(slots);
    slots.hint.began('hint', record, performance.now());
    vi.advanceTimersByTime(10_000);
    expect([slots.executing, slot.stage, slot.isStuck, slots.behind]).toEqual([undefined, 'waiting', false, []]);
    expect(slots.meter.busy.total(performance.now())).toBe(10_000);
    slots.hint.ended('hint', performance.now());
    vi.advanceTimersByTime(1000);
    expect([slots.executing, slot.isStuck]).toEqual([slot, false]);
    expect(slots.meter.busy.total(performance.now())).toBe(10_000);
    vi.advanceTimersByTime(3000);
    expect(slot.isStuck).toBe(true);
  });

  it('changes nothing for the job before it', () => {
    const slots = open();
    const slot = submitted(slots);
    slots.hint.submitted('hint');
    expect(slots.executing).toBe(slot);
  });

  it('neither begins nor ends with late news of the hint before it', () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const slots = open();
    slots.hint.submitted('first');
    slots.hint.began('first', record, performance.now());
    slots.hint.ended('first', performance.now());
    slots.hint.submitted('second');
    slots.hint.began('first', record, performance.now());
    vi.advanceTimersByTime(10);
    expect(slots.meter.busy.total(performance.now())).toBe(0);
    slots.hint.ended('first', performance.now());
    expect(slots.hint.isThere).toBe(true);
  });
});
