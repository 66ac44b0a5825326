import type { FleetFigures } from '@comfy-fleet/jobs';
import type { Metrics } from '@comfy-fleet/telemetry';

/** There may be thousands of keys, and each that is shown is a series. */
const MOST_SHOWN = 20;

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
