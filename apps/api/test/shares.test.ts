import type { KeyShare } from '@comfy-fleet/jobs';
import { expect, it } from 'vitest';
import { presentShares } from '../src/resources/fleet/fleet.js';

const share = (more: Partial<KeyShare>): KeyShare => ({
  key: 'a',
  weight: 1,
  gpuMsMinute: 0,
  gpuMsHour: 0,
  shareMinute: 0,
  shareHour: 0,
  fairShare: 1,
  waiting: 0,
  oldestWaitMs: 0,
  oldestTurnMs: 0,
  ...more,
});

it('shows GPU time and waits in seconds, and no wait for a key without waiting jobs', () => {
  const busy = share({ gpuMsMinute: 12_345, gpuMsHour: 600_049, shareMinute: 1, shareHour: 2 / 3, fairShare: 0.5 });
  const waits = share({ key: 'b', weight: 2, waiting: 3, oldestWaitMs: 61_000 });
  expect(presentShares([waits, busy])).toEqual([
    {
      key: 'a',
      weight: 1,
      gpu_seconds_minute: 12.3,
      gpu_seconds_hour: 600,
      share_minute: 1,
      share_hour: 0.6667,
      fair_share: 0.5,
      waiting: 0,
      oldest_wait_seconds: null,
    },
    expect.objectContaining({ key: 'b', weight: 2, waiting: 3, oldest_wait_seconds: 61 }),
  ]);
});

it('lists 100 keys: those with most GPU time, and those that have waited longest', () => {
  const busy = Array.from({ length: 120 }, (_, n) => share({ key: `busy ${n}`, gpuMsHour: 1000 - n }));
  const late = share({ key: 'late', waiting: 1, oldestWaitMs: 1 });
  const keys = presentShares([...busy, late]).map(({ key }) => key);
  expect(keys).toHaveLength(100);
  expect(keys.slice(0, 50)).toEqual(busy.slice(0, 50).map(({ key }) => key));
  expect(keys).toContain('late');
});
