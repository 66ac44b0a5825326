import { COLLECT_BUCKETS, type Metrics } from '@comfy-fleet/telemetry';

/** What is counted of models that are fetched. */
export type ModelMeters = ReturnType<typeof createModelMeters>;

/** LoRAs take seconds, checkpoints over a slow line an hour. */
const FETCH_BUCKETS = [...COLLECT_BUCKETS.filter((bound) => bound >= 0.1), 300, 900, 3600];

export function createModelMeters(metrics: Metrics) {
  /** The folders that this worker manages, by id. */
  const folders = new Map<string, { readonly bytes: number; readonly maxBytes: number }>();
  const used = metrics.gauge({
    name: 'model_folder_bytes',
    help: 'Disk space of fetched models, with what fetches have reserved, in the models folders that this worker manages.',
  });
  const most = metrics.gauge({
    name: 'model_folder_max_bytes',
    help: 'Most disk space for fetched models in these folders: MODELS_MAX_BYTES, or 80 % of the volume.',
  });
  metrics.beforeScrape(() => {
    const all = [...folders.values()];
    used.set(all.reduce((sum, { bytes }) => sum + bytes, 0));
    most.set(all.reduce((sum, { maxBytes }) => sum + maxBytes, 0));
  });
  return {
    fetchedBytes: metrics.counter({
      name: 'model_fetched_bytes_total',
      help: 'Bytes of models that were downloaded, from their sources or from other hosts.',
      labels: ['kind'],
    }),
    fetchSeconds: metrics.histogram({
      name: 'model_fetch_seconds',
      help: 'Duration of the fetches of models that succeeded, with the check of their hash.',
      labels: ['kind'],
      buckets: FETCH_BUCKETS,
    }),
    fetchFailures: metrics.counter({
      name: 'model_fetch_failures_total',
      help: 'Fetches of models that failed, by the code of the fault.',
      labels: ['kind', 'code'],
    }),
    evictions: metrics.counter({
      name: 'model_evictions_total',
      help: 'Models that were deleted to make space, or because they are not registered any more.',
      labels: ['kind'],
    }),
    folders,
  };
}
