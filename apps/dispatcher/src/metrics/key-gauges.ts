import { type FleetFigures, topShares } from '@comfy-fleet/jobs';
import type { Metrics } from '@comfy-fleet/telemetry';

/** There may be thousands of keys, and each exported key is a time series. */
const MOST_SHOWN = 20;
const WHICH =
  'At most 20 keys: the 10 with the most GPU time in that hour, and the others that wait longest. Of the whole fleet.';

/** The GPU time, waits and job data of keys. */
export function createShareGauges(metrics: Metrics) {
  const ratio = metrics.gauge({
    name: 'key_share_ratio',
    help:
      "The key's share of the GPU time of the last hour, divided by its fair share by weight; 1 if it got its share, less if " +
      `it asked for less. Absent while no GPU worked. ${WHICH}`,
    labels: ['key'],
  });
  const oldest = metrics.gauge({
    name: 'key_oldest_wait_seconds',
    help:
      'Age of the oldest job of the key that no worker has claimed yet, 0 if there is none. Jobs that wait because the key ' +
      `has reached its limit of running jobs do not count. ${WHICH}`,
    labels: ['key'],
  });
  const held = metrics.gauge({
    name: 'key_job_bytes',
    help:
      'Bytes that the waiting and ended jobs of the key hold: records, graphs and their extra data, in Redis or in files. ' +
      'KEY_JOB_BYTES is the limit. The 20 keys with the most. Of the whole fleet.',
    labels: ['key'],
  });
  return {
    clear: () => {
      for (const metric of [ratio, oldest, held]) metric.reset();
    },
    show: ({ shares, keyBytes }: Pick<FleetFigures, 'shares' | 'keyBytes'>) => {
      for (const { key, bytes } of keyBytes.slice(0, MOST_SHOWN)) held.set({ key }, bytes);
      const worked = shares.some(({ gpuMsHour }) => gpuMsHour > 0);
      for (const { key, shareHour, fairShare, oldestTurnMs } of topShares(shares, MOST_SHOWN)) {
        // A pool without any GPU time has no fair shares.
        if (worked && fairShare > 0) ratio.set({ key }, shareHour / fairShare);
        oldest.set({ key }, oldestTurnMs / 1000);
      }
    },
  };
}

/** The storage of keys. */
export function createStorageGauges(metrics: Metrics) {
  const stored = metrics.gauge({
    name: 'key_storage_bytes',
    help: 'Bytes of the files of the key: outputs of its jobs, and uploads. The 20 keys with the most. Of the whole fleet.',
    labels: ['key'],
  });
  const share = metrics.gauge({
    name: 'key_storage_share_bytes',
    help: 'The storage share of each key; absent until the first housekeeping. Of the whole fleet.',
  });
  return {
    clear: () => {
      stored.reset();
      share.remove();
    },
    show: (storage: FleetFigures['storage']) => {
      const most = [...storage.stored].sort((a, b) => b.bytes - a.bytes).slice(0, MOST_SHOWN);
      for (const { key, bytes } of most) stored.set({ key }, bytes);
      if (storage.shareBytes !== undefined) share.set(storage.shareBytes);
    },
  };
}
