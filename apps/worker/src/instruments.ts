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
 * How a prompt ended in ComfyUI. `removed`: taken out of its queue before it began. `wedged`: it went on after an
 * interrupt and was given up.
 */
export const OUTCOMES = ['succeeded', 'failed', 'interrupted', 'removed', 'lost', 'wedged'] as const;
export type PromptOutcome = (typeof OUTCOMES)[number];

/** The counters and histograms of a worker. Labels name workers' instances, of which there are few, and never jobs. */
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
      'Prompts given to the instance, by how they ended there: succeeded, failed, interrupted, ' +
      'removed (taken out of its queue before they began), lost (it has nothing of them any more), ' +
      'wedged (they went on after an interrupt, and their jobs ended without them).',
    labels: ['instance', 'outcome'],
  });
  const switches = metrics.counter({
    name: 'checkpoint_switches_total',
    help: 'Prompts that began on the instance with another checkpoint than the one before them there.',
    labels: ['instance'],
  });
  const loads = metrics.counter({
    name: 'model_loads_total',
    help: 'Prompts of this worker for which the instance was seen to load one model file or more.',
    labels: ['instance'],
  });
  const loadSeconds = metrics.counter({
    name: 'model_load_seconds_total',
    help: 'Time that the instance was seen to spend loading model files for prompts of this worker.',
    labels: ['instance'],
  });
  const loadsAvoided = metrics.counter({
    name: 'model_loads_avoided_total',
    help: 'Prompts of this worker that need models and found all of them in the memory of the instance.',
    labels: ['instance'],
  });
  const faults = metrics.counter({
    name: 'instance_faults_total',
    help: "Executions that failed for what may be the instance's own fault rather than the job's, by error code.",
    labels: ['instance', 'code'],
  });
  return {
    jobWait: metrics.histogram({
      name: 'job_wait_seconds',
      help: "From a job's creation to the first time ComfyUI begins to execute it.",
      labels: ofJob,
      buckets: WAIT_BUCKETS,
    }),
    jobRun: metrics.histogram({
      name: 'job_run_seconds',
      help: 'One execution in ComfyUI, from its beginning to its end, however it ended, if both are known.',
      labels: ofJob,
      buckets: RUN_BUCKETS,
    }),
    jobCollect: metrics.histogram({
      name: 'job_collect_seconds',
      help: "From the end of the execution until a succeeded job's pictures are stored and its end is written.",
      labels: ofJob,
      buckets: COLLECT_BUCKETS,
    }),
    gaps: metrics.histogram({
      name: 'instance_gap_seconds',
      help:
        'Time in which the instance stood still between two prompts although jobs waited: one for each prompt that ' +
        'began after another, unless the queue had nothing for it in between, or it was down, drained or paused.',
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
      help: 'Submissions that were given up for another try of their job, by the error code that was the reason.',
      labels: ['code'],
    }),
    faults,
  };
}
