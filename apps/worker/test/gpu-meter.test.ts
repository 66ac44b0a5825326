import type { JobRecord } from '@comfy-fleet/jobs';
import { createMetrics } from '@comfy-fleet/telemetry';
import { describe, expect, it } from 'vitest';
import { createInstruments } from '../src/instruments.js';
import { BusyMeter, GpuMeter, Handovers, Pace } from '../src/slots/gpu-meter.js';
import { quietLog } from './held.js';

const JOB = { pool: 'default', request: { inputs: {} } as JobRecord['request'] };

it('measures a gap before each prompt after the first, but not before an adopted one', async () => {
  const metrics = createMetrics({ service: 'test', log: quietLog() });
  const meter = new GpuMeter('w/1', createInstruments(metrics));
  meter.began(JOB, 0);
  meter.ended(100);
  meter.began(JOB, 110);
  meter.ended(150);
  meter.began(JOB, 160, true);
  expect(await metrics.scrape()).toMatch(/instance_gap_seconds_count\{[^}]*instance="w\/1"[^}]*\} 1\n/);
});

describe('the idle time of a GPU between prompts', () => {
  it('is undefined before the first prompt has ended', () => {
    expect(new Handovers().began('default', 100)).toBeUndefined();
  });

  it('lasts from the end of one prompt to the beginning of the next', () => {
    const handovers = new Handovers();
    handovers.ended(100);
    expect(handovers.began('default', 130)).toBe(30);
  });

  it('starts at the latest of several ends', () => {
    const handovers = new Handovers();
    handovers.ended(100);
    handovers.ended(90);
    expect(handovers.began('default', 130)).toBe(30);
  });

  it('is 0 when the next prompt began before the end was reported', () => {
    const handovers = new Handovers();
    handovers.ended(100);
    expect(handovers.began('default', 98)).toBe(0);
  });

  it('does not count when the pool had no job in between', () => {
    const handovers = new Handovers();
    handovers.ended(100);
    handovers.hadNothing('default', 110);
    expect(handovers.began('default', 130)).toBeUndefined();
    handovers.ended(140);
    expect(handovers.began('default', 145)).toBe(5);
  });

  it("counts when another pool had no job but the prompt's pool did", () => {
    const handovers = new Handovers();
    handovers.ended(100);
    handovers.hadNothing('other', 110);
    expect(handovers.began('default', 130)).toBe(30);
  });

  it('does not count when the instance was closed in between', () => {
    const handovers = new Handovers();
    handovers.ended(100);
    handovers.wasClosed(110);
    expect(handovers.began('default', 130)).toBeUndefined();
  });
});

it('measures the share of the last minute, and at first of the time since the beginning', () => {
  const meter = new BusyMeter(1000);
  expect(meter.share(1000)).toBe(0);
  meter.set(true, 3000);
  expect(meter.share(5000)).toBe(0.5);
  meter.set(true, 5000);
  meter.set(false, 7000);
  expect(meter.share(11_000)).toBe(0.4);
  meter.set(false, 12_000);
  meter.set(true, 31_000);
  expect(meter.share(61_000)).toBeCloseTo(34 / 60);
  expect(meter.share(65_000)).toBeCloseTo(36 / 60);
  expect(meter.share(200_000)).toBe(1);
});

it('sums up all spans, including the open one', () => {
  const meter = new BusyMeter(0);
  meter.set(true, 1000);
  meter.set(false, 3000);
  expect(meter.total(9000)).toBe(2000);
  meter.set(true, 100_000);
  expect(meter.total(100_500)).toBe(2500);
});

it('counts no time twice when an end is reported after the next beginning', () => {
  const meter = new BusyMeter(0);
  meter.set(true, 1000);
  meter.set(false, 3000);
  meter.set(true, 2900);
  meter.set(false, 4000);
  expect(meter.total(5000)).toBe(3000);
});

it('never decreases when an end is reported late', () => {
  const meter = new BusyMeter(0);
  meter.set(true, 1000);
  expect(meter.total(2000)).toBe(1000);
  meter.set(false, 1900);
  expect(meter.total(2100)).toBe(1000);
  meter.set(true, 2200);
  expect(meter.total(2700)).toBe(1400);
});

/** The pace after prompts of these lengths, one after the other. */
function after(...lengths: number[]): Pace {
  const pace = new Pace();
  let now = 1000;
  for (const ms of lengths) {
    // All were submitted at once: each but the first began when the one before had ended.
    pace.ended(1000, now + ms);
    now += ms;
  }
  return pace;
}

it('lets one prompt wait behind the running one at first, and when prompts are long', () => {
  expect(new Pace()).toMatchObject({ expectedMs: 30_000, ahead: 1 });
  expect(after(5000).ahead).toBe(1);
  expect(after(250).ahead).toBe(1);
});

it('lets a quarter of a second of work wait when prompts are short, but at most eight prompts', () => {
  expect(after(100, 100, 100).ahead).toBe(3);
  expect(after(50, 50, 50).ahead).toBe(5);
  expect(after(3, 3, 3).ahead).toBe(8);
  expect(after(0).ahead).toBe(8);
});

it('measures a prompt that waited from the end of the one before it, and weighs the newest by three tenths', () => {
  expect(after(100, 200).expectedMs).toBe(130);
});
