import type { Claim, ClaimSource, JobRecord } from '@comfy-fleet/jobs';
import { createMetrics } from '@comfy-fleet/telemetry';
import { until } from '@comfy-fleet/testing';
import pLimit from 'p-limit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { claimLoop } from '../src/claiming/claim-loop.js';
import type { Placed } from '../src/claiming/placer.js';
import type { Instance } from '../src/instance/instance.js';
import { createInstruments } from '../src/instruments.js';
import { Slots } from '../src/slots/slots.js';
import { Submission } from '../src/submission/submission.js';
import { WakeUp } from '../src/waiting.js';
import { NO_GRAPH, NOWHERE, openLedgers, quietLog, someSlots } from './held.js';

/** A ledger, and the slots of instances that are up; `begin` starts the claim loop. */
async function setUp(instances = 1) {
  const ledgers = openLedgers();
  const claims: Claim[] = [];
  const source = await sourceOf('w');
  const allSlots = Array.from({ length: instances }, (_, n) => someSlots(NOWHERE, { name: `w/${n + 1}` }));
  for (const { instance } of allSlots) instance.health.reached();
  const slotsChanged = new WakeUp();

  async function sourceOf(name: string): Promise<ClaimSource> {
    const worker = ledgers.worker(name);
    onTestFinished(() => worker.close());
    const opened = await worker.claims('default');
    onTestFinished(() => opened.close());
    return opened;
  }
  /** Places jobs in the first free slot. */
  const place = async (claim: Claim): Promise<Placed> => {
    claims.push(claim);
    allSlots.find(({ freeSlots }) => freeSlots > 0)?.take(claim.record, () => {});
    return 'begun';
  };
  return {
    ledgers,
    allSlots,
    slotsChanged,
    source,
    sourceOf,
    placed: () => claims.map(({ record }) => record.id),
    submit: async (count: number) => {
      const ids: string[] = [];
      for (let n = 0; n < count; n += 1) ids.push(await ledgers.submit({ seed: `${n}` }));
      return ids;
    },
    /** Claims until the test is done. */
    begin: (over: Partial<Parameters<typeof claimLoop>[0]> = {}) => {
      const stopping = new AbortController();
      const loop = claimLoop({
        source,
        pool: 'default',
        allSlots,
        slotsChanged,
        mutex: pLimit(1),
        place,
        able: () => true,
        loadMs: () => 0,
        patienceMs: 30_000,
        askerOf: ({ name }) => ({ name, fit: () => 0 }),
        isPaused: () => false,
        signal: stopping.signal,
        log: quietLog(),
        ...over,
      });
      onTestFinished(async () => {
        stopping.abort();
        await loop;
        for (const claim of claims) claim.letGo();
      });
    },
  };
}

/** A job that ComfyUI has; the first one of an instance executes. */
function fill(slots: Slots) {
  const slot = slots.take({ id: 'here', pool: 'default', request: { inputs: {} }, faults: [] } as never, () => {});
  const { instance } = slots;
  slot.submission = new Submission({
    promptId: 'p',
    bound: NO_GRAPH,
    request: { inputs: {} },
    instance,
    onNews: () => {},
    onLoads: () => {},
  });
  slot.submission.submittedAt = performance.now();
  return slot;
}

describe('the claim loop of a pool', () => {
  it('claims as many jobs as there are slots, and another one when a slot becomes free', async () => {
    const { allSlots, slotsChanged, begin, submit, placed } = await setUp();
    const ids = await submit(4);
    begin();
    await until('both slots are taken', () => placed().length === 2);
    allSlots[0]?.all[0]?.leave();
    slotsChanged.trigger();
    await until('the third is there', () => placed().length === 3);
    expect(placed().toSorted()).toEqual(ids.slice(0, 3).toSorted());
  });

  it('claims nothing while the pool is paused, and continues when it is resumed', async () => {
    const { slotsChanged, begin, submit, placed } = await setUp();
    await submit(1);
    let isPaused = true;
    let asked = 0;
    begin({
      isPaused: () => {
        asked += 1;
        return isPaused;
      },
    });
    await until('it has seen that', () => asked > 1);
    expect(placed()).toEqual([]);
    isPaused = false;
    slotsChanged.trigger();
    await until('it is placed', () => placed().length === 1);
  });

  it('fills no slot behind a running prompt while an instance of another process is idle', async () => {
    const { allSlots, source, sourceOf, begin, submit, placed } = await setUp();
    fill(allSlots[0] as Slots);
    const other = await sourceOf('v');
    await submit(1);
    let isIdle = true;
    let looks = 0;
    const othersIdle = async () => {
      looks += 1;
      if (!isIdle) return source.othersIdle();
      // This only holds for a short time.
      return until('it counts as idle', async () => {
        await other.reportIdle(['v/1']);
        return source.othersIdle();
      });
    };
    begin({ source: { ...source, othersIdle } });
    await until('it has looked twice', () => looks > 2);
    expect(placed()).toEqual([]);
    isIdle = false;
    await other.reportBusy(['v/1']);
    await until('it is placed', () => placed().length === 1);
  });

  it('announces its instance as idle when there is no work, and as busy when there is', async () => {
    const { sourceOf, begin, submit, placed } = await setUp();
    const other = await sourceOf('v');
    begin();
    await until('it is said', () => other.othersIdle());
    await submit(1);
    await until('it is placed', () => placed().length === 1);
    await until('it is taken back', async () => !(await other.othersIdle()));
  });

  it('moves a job that waits behind another prompt to an idle instance instead of claiming one', async () => {
    const { allSlots, begin, submit, placed } = await setUp(2);
    const [busy, idle] = allSlots as [Slots, Slots];
    fill(busy);
    const behind = fill(busy);
    await submit(1);
    begin();
    await until('it is asked back', () => behind.isToBeTakenBack);
    expect([behind.target, placed()]).toEqual([idle, []]);
  });

  it('fills the slots of a busy instance while the idle one can run none of the jobs', async () => {
    const { allSlots, begin, submit, placed } = await setUp(2);
    const [busy] = allSlots as [Slots];
    Object.assign(fill(busy).submission as Submission, { hasBegun: true });
    await submit(1);
    begin({ askerOf: ({ name }) => ({ name, fit: () => (name === busy.instance.name ? 0 : -1) }) });
    await until('it is placed', () => placed().length === 1);
    expect(busy.all).toHaveLength(2);
  });

  it('waits for news of the queue, or of a slot, while its idle instances can run none of the jobs', async () => {
    const { ledgers, source, slotsChanged, begin, submit, placed } = await setUp();
    await submit(1);
    let waits = 0;
    const untilWork = () => {
      waits += 1;
      return new Promise<void>(() => {});
    };
    let load = -1;
    begin({ source: { ...source, untilWork }, askerOf: ({ name }) => ({ name, fit: () => load }) });
    await until('it waits', () => waits === 1);
    load = 0;
    const { fits, close } = ledgers.worker('v');
    onTestFinished(close);
    await fits.forget('w/1');
    slotsChanged.trigger();
    await until('it is placed', () => placed().length === 1);
  });

  it.each([
    [16, true],
    [15, false],
  ])('measures a gap if no job is for the instance while it collects %i of one key: %j', async (collecting, isGap) => {
    const { allSlots, begin, submit } = await setUp();
    const metrics = createMetrics({ service: 'test', log: quietLog() });
    const slots = new Slots({
      instance: (allSlots[0] as Slots).instance,
      instruments: createInstruments(metrics),
      maxKeptPixels: 500_000_000,
      maxKeptNodes: 10_000,
      chargeLoads: () => {},
    });
    const record = { id: 'here', pool: 'default', key: 'mallory', request: { inputs: {} } } as unknown as JobRecord;
    for (let n = 0; n < collecting; n += 1) slots.take(record, () => {}).leaveGpu();
    await submit(1);
    slots.meter.ended(performance.now());
    let asked = 0;
    const askerOf = ({ name }: Instance) => {
      asked += 1;
      return { name, fit: () => -1 };
    };
    begin({ allSlots: [slots], askerOf });
    await until('it has got nothing', () => asked > 2);
    slots.meter.began(record, performance.now());
    expect((await metrics.scrape()).includes('instance_gap_seconds_count')).toBe(isGap);
  });

  it('does not announce an instance as idle while it can run none of the waiting jobs', async () => {
    const { sourceOf, begin, submit } = await setUp();
    const other = await sourceOf('v');
    await submit(1);
    let refused = 0;
    const place = async (claim: Claim): Promise<Placed> => {
      refused += 1;
      await claim.release(0);
      return 'unable';
    };
    begin({ place });
    await until('it was tried again', () => refused > 2);
    expect(await other.othersIdle()).toBe(false);
  });
});
