import { type FleetFigures, foremost } from '@comfy-fleet/jobs';
import type { Metrics } from '@comfy-fleet/telemetry';

/** There may be thousands of keys, and each that is shown is a series. */
const MOST_SHOWN = 20;
const WHICH =
  'Of 20 keys at most: the 10 with most GPU time in that hour, and of the others those that wait longest. Of the whole fleet.';

/** What keys get of the GPU time, how long they wait, and what their jobs hold. */
export function createShareGauges(metrics: Metrics) {
  const ratio = metrics.gauge({
    name: 'key_share_ratio',
    help:
      'Share of the GPU time of the last hour that the key got ÷ what would be fair by weight; 1: it got its share; ' +
      `less is right for a key that asks for less. Absent while no GPU worked. ${WHICH}`,
    labels: ['key'],
  });
  const oldest = metrics.gauge({
    name: 'key_oldest_wait_seconds',
    help:
      'Age of the oldest job of the key that no worker has taken yet, 0 when there is none; those do not count that wait ' +
      `since the key has as many in work as it may. ${WHICH}`,
    labels: ['key'],
  });
  const held = metrics.gauge({
    name: 'key_job_bytes',
    help:
      'Bytes that the waiting and ended jobs of the key hold: records, graphs and their extra data, in Redis or in files. ' +
      'KEY_JOB_BYTES is the most. Of the 20 keys with most. Of the whole fleet.',
    labels: ['key'],
  });
  return {
    clear: () => {
      for (const metric of [ratio, oldest, held]) metric.reset();
    },
    show: ({ shares, keyBytes }: Pick<FleetFigures, 'shares' | 'keyBytes'>) => {
      for (const { key, bytes } of keyBytes.slice(0, MOST_SHOWN)) held.set({ key }, bytes);
      const worked = shares.some(({ gpuMsHour }) => gpuMsHour > 0);
      for (const { key, shareHour, fairShare, oldestTurnMs } of foremost(shares, MOST_SHOWN)) {
        // In a pool in which no GPU worked nothing is fair.
        if (worked && fairShare > 0) ratio.set({ key }, shareHour / fairShare);
        oldest.set({ key }, oldestTurnMs / 1000);
      }
    },
  };
}

/** What keys have of the storage. */
export function createStorageGauges(metrics: Metrics) {
  const stored = metrics.gauge({
    name: 'key_storage_bytes',
    help: 'Bytes of the files of the key: what its jobs made, and what it sent. Of the 20 keys with most. Of the whole fleet.',
    labels: ['key'],
  });
  const share = metrics.gauge({
    name: 'key_storage_share_bytes',
    help: 'The share of each key in the storage; absent until the housekeeping has looked. Of the whole fleet.',
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
