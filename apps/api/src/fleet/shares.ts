import type { FleetStatus } from '@comfy-fleet/contracts';
import { foremost, type KeyShare } from '@comfy-fleet/jobs';

const MOST_SHOWN = 100;

/** What the keys get of the GPU time: those with most of it, and those that wait longest. */
export function presentShares(shares: readonly KeyShare[]): FleetStatus['shares'] {
  return foremost(shares, MOST_SHOWN).map((share) => ({
    key: share.key,
    weight: share.weight,
    gpu_seconds_minute: seconds(share.gpuMsMinute),
    gpu_seconds_hour: seconds(share.gpuMsHour),
    share_minute: rounded(share.shareMinute),
    share_hour: rounded(share.shareHour),
    fair_share: rounded(share.fairShare),
    waiting: share.waiting,
    oldest_wait_seconds: share.waiting === 0 ? null : seconds(share.oldestWaitMs),
  }));
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}

function rounded(share: number): number {
  return Math.round(share * 10_000) / 10_000;
}
