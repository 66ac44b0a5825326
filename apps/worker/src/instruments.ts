import {
  COLLECT_BUCKETS,
  type Counter,
  GAP_BUCKETS,
  type Histogram,
  type Metrics,
  RUN_BUCKETS,
  WAIT_BUCKETS,
} from '@comfy-fleet/telemetry';

/**
 * How a prompt ended in ComfyUI. `removed`: taken out of its queue before it began. `wedged`: it continued after an
 * interrupt and was given up.
 */
export const OUTCOMES = ['succeeded', 'failed', 'interrupted', 'removed', 'lost', 'wedged'] as const;
export type PromptOutcome = (typeof OUTCOMES)[number];

/** The counters and histograms of a worker. Labels name the worker's few instances, and never jobs. */
export interface Instruments {
  readonly jobWait: Histogram<'pool' | 'lod'>;
  readonly jobRun: Histogram<'pool' | 'lod'>;
  readonly jobCollect: Histogram<'pool' | 'lod'>;
  readonly gaps: Histogram<'instance'>;
  readonly prompts: Counter<'instance' | 'outcome'>;
  readonly switches: Counter<'instance'>;
  readonly loads: Counter<'instance'>;
  readonly loadSeconds: Counter<'instance'>;
  readonly loadsAvoided: Counter<'instance'>;
  readonly retries: Counter<'code'>;
  readonly faults: Counter<'instance' | 'code'>;
}

export function createInstruments(metrics: Metrics): Instruments {
  const ofJob = ['pool', 'lod'] as const;
  const prompts = metrics.counter({
    name: 'prompts_total',
    help:
      'Prompts submitted to the instance, by how they ended there: succeeded, failed, interrupted, ' +
      'removed (taken out of its queue before they began), lost (the instance no longer knows them), ' +
      'wedged (they continued after an interrupt, and their jobs ended without them).',
    labels: ['instance', 'outcome'],
  });
  const switches = metrics.counter({
    name: 'checkpoint_switches_total',
    help: 'Prompts that began on the instance with a different checkpoint than the prompt before them.',
    labels: ['instance'],
  });
  const loads = metrics.counter({
    name: 'model_loads_total',
    help: 'Prompts of this worker for which the instance loaded at least one model file.',
    labels: ['instance'],
  });
  const loadSeconds = metrics.counter({
    name: 'model_load_seconds_total',
    help: 'Time that the instance spent loading model files for prompts of this worker.',
    labels: ['instance'],
  });
  const loadsAvoided = metrics.counter({
    name: 'model_loads_avoided_total',
    help: 'Prompts of this worker whose models were all already in the memory of the instance.',
    labels: ['instance'],
  });
  const faults = metrics.counter({
    name: 'instance_faults_total',
    help: 'Executions that failed for a reason that may lie with the instance rather than the job, by error code.',
    labels: ['instance', 'code'],
  });
  return {
    jobWait: metrics.histogram({
      name: 'job_wait_seconds',
      help: "Time from a job's creation until ComfyUI first begins to execute it.",
      labels: ofJob,
      buckets: WAIT_BUCKETS,
    }),
    jobRun: metrics.histogram({
      name: 'job_run_seconds',
      help: 'Duration of one execution in ComfyUI, whatever its outcome, if its start and end are known.',
      labels: ofJob,
      buckets: RUN_BUCKETS,
    }),
    jobCollect: metrics.histogram({
      name: 'job_collect_seconds',
      help: "Time from the end of the execution until a succeeded job's pictures are stored and its end is recorded.",
      labels: ofJob,
      buckets: COLLECT_BUCKETS,
    }),
    gaps: metrics.histogram({
      name: 'instance_gap_seconds',
      help:
        'Idle time of the instance between two prompts although jobs were waiting. Each prompt that follows another is ' +
        'counted once, unless the queue had no job for the instance, or it was down, drained or paused.',
      labels: ['instance'],
      buckets: GAP_BUCKETS,
    }),
    prompts,
    switches,
    loads,
    loadSeconds,
    loadsAvoided,
    retries: metrics.counter({
      name: 'retries_total',
      help: 'Submissions after which their job was retried, by the error code of the reason.',
      labels: ['code'],
    }),
    faults,
  };
}
