export type Service = 'api' | 'worker' | 'dispatcher';

interface Metric {
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** The processes that export it. */
  readonly of: readonly Service[];
  /** Its labels with possible values, for testing queries. */
  readonly labels: Readonly<Record<string, readonly string[]>>;
}

const EACH: readonly Service[] = ['api', 'worker', 'dispatcher'];
const POOL = { pool: ['default', 'video'] };
const LOD = { lod: ['sketch', 'mid', 'final', 'direct_final'] };
const MODEL_KIND = { kind: ['loras', 'checkpoints'] };
const INSTANCE = { instance: ['gpu-1/0', 'gpu-2/0'] };
const KEY = { key: ['anonymous', 'web'] };
const metric = (type: Metric['type'], of: readonly Service[], labels: Metric['labels'] = {}): Metric => ({
  type,
  of,
  labels,
});

/**
 * All our metrics, which rules, dashboard and scalers may use. images.system.test.ts compares the names and types with those
 * that the processes export.
 */
export const METRICS: Readonly<Record<string, Metric>> = {
  comfy_fleet_build_info: metric('gauge', EACH, { service: ['api'], version: ['0.2.0'], node: ['v24.0.0'] }),
  comfy_fleet_redis_round_trip_seconds: metric('histogram', EACH),
  comfy_fleet_redis_up: metric('gauge', EACH),

  comfy_fleet_http_request_seconds: metric('histogram', ['api'], {
    method: ['POST'],
    route: ['/generate', '/jobs/:id'],
    status: ['202', '503'],
  }),
  comfy_fleet_http_in_flight: metric('gauge', ['api']),
  comfy_fleet_http_errors_total: metric('counter', ['api'], { code: ['validation_failed', 'queue_unavailable'] }),
  comfy_fleet_event_streams: metric('gauge', ['api']),

  comfy_fleet_job_wait_seconds: metric('histogram', ['worker'], { ...POOL, ...LOD }),
  comfy_fleet_job_run_seconds: metric('histogram', ['worker'], { ...POOL, ...LOD }),
  comfy_fleet_job_collect_seconds: metric('histogram', ['worker'], { ...POOL, ...LOD }),
  comfy_fleet_instance_up: metric('gauge', ['worker'], INSTANCE),
  comfy_fleet_instance_state: metric('gauge', ['worker'], {
    ...INSTANCE,
    state: ['up', 'occupied', 'down', 'resting', 'wedged', 'warming', 'unknown'],
  }),
  comfy_fleet_storage_up: metric('gauge', ['worker']),
  comfy_fleet_instance_busy_seconds_total: metric('counter', ['worker'], INSTANCE),
  comfy_fleet_instance_gap_seconds: metric('histogram', ['worker'], INSTANCE),
  comfy_fleet_prompts_total: metric('counter', ['worker'], { ...INSTANCE, outcome: ['succeeded', 'failed', 'lost'] }),
  comfy_fleet_checkpoint_switches_total: metric('counter', ['worker'], INSTANCE),
  comfy_fleet_model_loads_total: metric('counter', ['worker'], INSTANCE),
  comfy_fleet_model_load_seconds_total: metric('counter', ['worker'], INSTANCE),
  comfy_fleet_model_loads_avoided_total: metric('counter', ['worker'], INSTANCE),
  comfy_fleet_retries_total: metric('counter', ['worker'], { code: ['prompt_lost'] }),
  comfy_fleet_instance_faults_total: metric('counter', ['worker'], { ...INSTANCE, code: ['gpu_failed'] }),
  comfy_fleet_instance_rests: metric('gauge', ['worker'], {
    ...INSTANCE,
    scope: ['all', 'part'],
    code: ['none', 'gpu_failed'],
  }),
  comfy_fleet_instance_transitions_total: metric('counter', ['worker'], {
    ...INSTANCE,
    to: ['up', 'down', 'resting', 'wedged', 'warming', 'occupied'],
  }),

  comfy_fleet_model_fetched_bytes_total: metric('counter', ['worker'], MODEL_KIND),
  comfy_fleet_model_fetch_seconds: metric('histogram', ['worker'], MODEL_KIND),
  comfy_fleet_model_fetch_failures_total: metric('counter', ['worker'], { ...MODEL_KIND, code: ['not_reachable'] }),
  comfy_fleet_model_evictions_total: metric('counter', ['worker'], MODEL_KIND),
  comfy_fleet_model_folder_bytes: metric('gauge', ['worker']),
  comfy_fleet_model_folder_max_bytes: metric('gauge', ['worker']),

  comfy_fleet_jobs_total: metric('counter', ['dispatcher'], {
    kind: ['generate', 'img2img'],
    ...LOD,
    outcome: ['created', 'succeeded', 'failed', 'canceled', 'expired'],
  }),
  comfy_fleet_queue_jobs: metric('gauge', ['dispatcher'], {
    ...POOL,
    ...LOD,
    state: ['waiting', 'claimed', 'running', 'parked'],
  }),
  comfy_fleet_queue_oldest_seconds: metric('gauge', ['dispatcher'], { ...POOL, ...LOD }),
  comfy_fleet_backlog_seconds: metric('gauge', ['dispatcher'], POOL),
  comfy_fleet_pool_instances: metric('gauge', ['dispatcher'], POOL),
  comfy_fleet_key_share_ratio: metric('gauge', ['dispatcher'], KEY),
  comfy_fleet_key_oldest_wait_seconds: metric('gauge', ['dispatcher'], KEY),
  comfy_fleet_key_storage_bytes: metric('gauge', ['dispatcher'], KEY),
  comfy_fleet_key_storage_share_bytes: metric('gauge', ['dispatcher']),
  comfy_fleet_key_job_bytes: metric('gauge', ['dispatcher'], KEY),
  comfy_fleet_workers: metric('gauge', ['dispatcher'], POOL),
  comfy_fleet_webhook_attempts_total: metric('counter', ['dispatcher'], {
    outcome: ['delivered', 'not_taken', 'given_up'],
  }),
  comfy_fleet_webhook_lag_seconds: metric('histogram', ['dispatcher']),
  comfy_fleet_webhook_seconds: metric('histogram', ['dispatcher']),
  comfy_fleet_webhooks_waiting: metric('gauge', ['dispatcher']),
  comfy_fleet_webhook_oldest_seconds: metric('gauge', ['dispatcher']),
  comfy_fleet_models_failing: metric('gauge', ['dispatcher'], { code: ['not_reachable', 'no_space'] }),
  comfy_fleet_outbox_entries: metric('gauge', ['dispatcher']),
  comfy_fleet_alert: metric('gauge', ['dispatcher'], {
    alert: ['InstanceRests'],
    ...INSTANCE,
    ...POOL,
    ...LOD,
    ...KEY,
    code: ['gpu_failed'],
  }),
  comfy_fleet_frames_bytes: metric('gauge', ['dispatcher'], { kind: ['frame', 'input', 'derived'] }),
  comfy_fleet_frames_files: metric('gauge', ['dispatcher'], { kind: ['frame', 'input', 'derived'] }),
  comfy_fleet_frames_free_bytes: metric('gauge', ['dispatcher']),
  comfy_fleet_redis_noeviction: metric('gauge', ['dispatcher']),
  comfy_fleet_redis_aof: metric('gauge', ['dispatcher']),
  comfy_fleet_redis_memory_bytes: metric('gauge', ['dispatcher']),
  comfy_fleet_redis_memory_max_bytes: metric('gauge', ['dispatcher']),
  comfy_fleet_fleet_paused: metric('gauge', ['dispatcher']),
  comfy_fleet_pool_paused: metric('gauge', ['dispatcher'], POOL),
  comfy_fleet_instance_drained: metric('gauge', ['dispatcher'], INSTANCE),
};

/** Metrics of Node.js by prom-client, which every process exports. */
export const OF_NODE = [
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
  'process_start_time_seconds',
  'nodejs_eventloop_lag_p99_seconds',
];

/** Labels that scraping adds to every series. */
export const OF_SCRAPE = ['job', 'instance', 'process'];

/** The series of a metric in Prometheus, with their labels. */
export function seriesOf(
  name: string,
  { type, of, labels }: Metric,
): readonly (readonly [string, Record<string, string>])[] {
  const combinations = Object.entries(labels).reduce<Record<string, string>[]>(
    (all, [label, values]) => all.flatMap((each) => values.map((value) => ({ ...each, [label]: value }))),
    of.map((job) => ({ job, process: `${job}-1` })),
  );
  if (type !== 'histogram') return combinations.map((each) => [name, each]);
  return combinations.flatMap((each) => [
    ...['0.1', '1', '10', '+Inf'].map((le) => [`${name}_bucket`, { ...each, le }] as const),
    [`${name}_sum`, each] as const,
    [`${name}_count`, each] as const,
  ]);
}
