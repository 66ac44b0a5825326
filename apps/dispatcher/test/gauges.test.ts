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

/** The metrics of keys after these shares were exported one after the other. */
async function shown(...readings: KeyShare[][]): Promise<string[]> {
  const metrics = createMetrics({ service: 'test', log: createLogger({ service: 'test', level: 'error' }) });
  const gauges = createShareGauges(metrics);
  for (const shares of readings) {
    gauges.clear();
    gauges.show({ shares, keyBytes: [] });
  }
  return (await metrics.scrape()).split('\n').filter((line) => line.startsWith('comfy_fleet_key_'));
}

it("exports a key's GPU time relative to its share, and how long its oldest job has waited for its turn", async () => {
  const busy = share({ gpuMsHour: 60_000, shareHour: 0.2, oldestWaitMs: 9000, oldestTurnMs: 5000 });
  const waits = share({ key: 'b', oldestWaitMs: 3000, oldestTurnMs: 3000 });
  expect(await shown([busy, waits])).toEqual([
    'comfy_fleet_key_share_ratio{key="a"} 0.4',
    'comfy_fleet_key_share_ratio{key="b"} 0',
    'comfy_fleet_key_oldest_wait_seconds{key="a"} 5',
    'comfy_fleet_key_oldest_wait_seconds{key="b"} 3',
  ]);
});

it('exports no share ratio while no GPU works, or for keys that wait only in pools where none does', async () => {
  expect(await shown([share({})])).toEqual(['comfy_fleet_key_oldest_wait_seconds{key="a"} 0']);
  const elsewhere = [share({ fairShare: 0 }), share({ key: 'b', gpuMsHour: 1, shareHour: 1, fairShare: 1 })];
  expect((await shown(elsewhere)).slice(0, 1)).toEqual(['comfy_fleet_key_share_ratio{key="b"} 1']);
});

it('exports 20 keys: those with the most GPU time and those that wait longest', async () => {
  const busy = Array.from({ length: 30 }, (_, n) => share({ key: `busy ${n}`, gpuMsHour: 100 - n }));
  const late = share({ key: 'late', oldestWaitMs: 1000, oldestTurnMs: 1000 });
  const waits = (await shown([...busy, late])).filter((line) => line.includes('oldest_wait'));
  expect(waits).toHaveLength(20);
  expect(waits).toContain('comfy_fleet_key_oldest_wait_seconds{key="busy 9"} 0');
  expect(waits).toContain('comfy_fleet_key_oldest_wait_seconds{key="late"} 1');
});

it('stops exporting a key without jobs in the last hour', async () => {
  expect(await shown([share({ key: 'gone' })], [share({})])).toEqual([
    'comfy_fleet_key_oldest_wait_seconds{key="a"} 0',
  ]);
});

it('exports the 20 keys whose jobs hold the most bytes', async () => {
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

it('keeps a count that drops a little, as in a failover, and follows one that drops by more than half', () => {
  const steady = steadyCounts();
  const shown = (counts: readonly number[]) => counts.map((count) => steady('made', count));
  expect(shown([0, 10, 8, 9, 10, 11])).toEqual([0, 10, 10, 10, 10, 11]);
  expect(steady('failed', 1)).toBe(1);
  expect(shown([5, 4, 6])).toEqual([5, 5, 6]);
});
