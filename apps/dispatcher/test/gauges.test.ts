import type { KeyShare } from '@comfy-fleet/jobs';
import { createLogger, createMetrics } from '@comfy-fleet/telemetry';
import { expect, it } from 'vitest';
import { steadyCounts } from '../src/metrics/fleet-gauges.js';
import { createShareGauges } from '../src/metrics/key-gauges.js';

const share = (more: Partial<KeyShare>): KeyShare => ({
  key: 'a',
  weight: 1,
  gpuMsMinute: 0,
  gpuMsHour: 0,
  shareMinute: 0,
  shareHour: 0,
  fairShare: 0.5,
  waiting: 1,
  oldestWaitMs: 0,
  oldestTurnMs: 0,
  ...more,
});

/** The lines of the keys, when these shares are shown one after the other. */
async function shown(...readings: KeyShare[][]): Promise<string[]> {
  const metrics = createMetrics({ service: 'test', log: createLogger({ service: 'test', level: 'error' }) });
  const gauges = createShareGauges(metrics);
  for (const shares of readings) {
    gauges.clear();
    gauges.show({ shares, keyBytes: [] });
  }
  return (await metrics.scrape()).split('\n').filter((line) => line.startsWith('comfy_fleet_key_'));
}

it('tells what a key got against its share, and how long its oldest job waits for a turn', async () => {
  const busy = share({ gpuMsHour: 60_000, shareHour: 0.2, oldestWaitMs: 9000, oldestTurnMs: 5000 });
  const waits = share({ key: 'b', oldestWaitMs: 3000, oldestTurnMs: 3000 });
  expect(await shown([busy, waits])).toEqual([
    'comfy_fleet_key_share_ratio{key="a"} 0.4',
    'comfy_fleet_key_share_ratio{key="b"} 0',
    'comfy_fleet_key_oldest_wait_seconds{key="a"} 5',
    'comfy_fleet_key_oldest_wait_seconds{key="b"} 3',
  ]);
});

it('tells nothing of shares while no GPU worked, or of a key that waits only where none did', async () => {
  expect(await shown([share({})])).toEqual(['comfy_fleet_key_oldest_wait_seconds{key="a"} 0']);
  const elsewhere = [share({ fairShare: 0 }), share({ key: 'b', gpuMsHour: 1, shareHour: 1, fairShare: 1 })];
  expect((await shown(elsewhere)).slice(0, 1)).toEqual(['comfy_fleet_key_share_ratio{key="b"} 1']);
});

it('tells of 20 keys: those with most GPU time, and those that wait longest', async () => {
  const busy = Array.from({ length: 30 }, (_, n) => share({ key: `busy ${n}`, gpuMsHour: 100 - n }));
  const late = share({ key: 'late', oldestWaitMs: 1000, oldestTurnMs: 1000 });
  const waits = (await shown([...busy, late])).filter((line) => line.includes('oldest_wait'));
  expect(waits).toHaveLength(20);
  expect(waits).toContain('comfy_fleet_key_oldest_wait_seconds{key="busy 9"} 0');
  expect(waits).toContain('comfy_fleet_key_oldest_wait_seconds{key="late"} 1');
});

it('tells no more of a key that had nothing for an hour', async () => {
  expect(await shown([share({ key: 'gone' })], [share({})])).toEqual([
    'comfy_fleet_key_oldest_wait_seconds{key="a"} 0',
  ]);
});

it('tells of the 20 keys whose jobs hold most bytes', async () => {
  const metrics = createMetrics({ service: 'test', log: createLogger({ service: 'test', level: 'error' }) });
  const keyBytes = Array.from({ length: 30 }, (_, n) => ({ key: `k${n}`, bytes: 1000 - n }));
  createShareGauges(metrics).show({ shares: [], keyBytes });
  const lines = (await metrics.scrape()).split('\n').filter((line) => line.startsWith('comfy_fleet_key_job_bytes{'));
  expect(lines).toHaveLength(20);
  expect([lines[0], lines.at(-1)]).toEqual([
    'comfy_fleet_key_job_bytes{key="k0"} 1000',
    'comfy_fleet_key_job_bytes{key="k19"} 981',
  ]);
});

it('shows no count going down that lost a little, as in a failover, and one that lost most as it is', () => {
  const steady = steadyCounts();
  const shown = (counts: readonly number[]) => counts.map((count) => steady('made', count));
  expect(shown([0, 10, 8, 9, 10, 11])).toEqual([0, 10, 10, 10, 10, 11]);
  expect(steady('failed', 1)).toBe(1);
  expect(shown([5, 4, 6])).toEqual([5, 5, 6]);
});
