import { expect, it } from 'vitest';
import { BusyMeter } from '../src/busy-meter.js';

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
