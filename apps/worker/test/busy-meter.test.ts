import { expect, it } from 'vitest';
import { BusyMeter } from '../src/slots/busy-meter.js';

it('tells the share of the last minute, and of the time since the beginning before that', () => {
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

it('tells the time of all spans, of the open one until now', () => {
  const meter = new BusyMeter(0);
  meter.set(true, 1000);
  meter.set(false, 3000);
  expect(meter.total(9000)).toBe(2000);
  meter.set(true, 100_000);
  expect(meter.total(100_500)).toBe(2500);
});

it('counts no time twice when an end is heard of later than the next beginning', () => {
  const meter = new BusyMeter(0);
  meter.set(true, 1000);
  meter.set(false, 3000);
  meter.set(true, 2900);
  meter.set(false, 4000);
  expect(meter.total(5000)).toBe(3000);
});

it('never tells less than before, though it hears late that a span has ended', () => {
  const meter = new BusyMeter(0);
  meter.set(true, 1000);
  expect(meter.total(2000)).toBe(1000);
  meter.set(false, 1900);
  expect(meter.total(2100)).toBe(1000);
  meter.set(true, 2200);
  expect(meter.total(2700)).toBe(1400);
});
