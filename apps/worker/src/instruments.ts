import { INSTANCE_STATES, isInService } from '@comfy-fleet/contracts';
import {
  COLLECT_BUCKETS,
  type Counter,
  GAP_BUCKETS,
  type Histogram,
  type Metrics,
  RUN_BUCKETS,
  WAIT_BUCKETS,
} from '@comfy-fleet/telemetry';
import type { Instance } from './instance/instance.js';
import { KINDS } from './job/second-opinion.js';
import type { BusyMeter } from './slots/busy-meter.js';
import type { StoreWatch } from './store-watch.js';

/** How a prompt ended in ComfyUI; `removed`: taken out of its queue before it began; `wedged`: not, though interrupted. */
const OUTCOMES = ['succeeded', 'failed', 'interrupted', 'removed', 'lost', 'wedged'] as const;
export type PromptOutcome = (typeof OUTCOMES)[number];

/** What is shown of an instance. */
interface Shown {
  readonly instance: Pick<Instance, 'name' | 'health'>;
  readonly meter: { readonly busy: Pick<BusyMeter, 'total'> };
}

/** What a worker counts and measures. Instances are few and named by their worker; nothing here is named by a job. */
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
  readonly transitions: Counter<'instance' | 'to'>;
  /** Shows how the instances stand, and whether pictures can be stored, from now on. */
  watch(instances: readonly Shown[], store: Pick<StoreWatch, 'fault'>): void;
}

export function createInstruments(metrics: Metrics): Instruments {
  const ofJob = ['pool', 'lod'] as const;
  const up = metrics.gauge({
    name: 'instance_up',
    help: '1 while the ComfyUI instance can be given work, 0 while it is down or has not answered yet.',
    labels: ['instance'],
  });
  const states = metrics.gauge({
    name: 'instance_state',
    help: '1 for the state in which the instance is, 0 for the others; resting: it failed too much, wedged: it cannot be stopped, warming: it runs the warm-up, occupied: it executes a prompt that belongs to no job.',
    labels: ['instance', 'state'],
  });
  const busy = metrics.counter({
    name: 'instance_busy_seconds_total',
    help: 'Time in which the instance executed a prompt of this worker, from its start event to its end; while it is down none counts.',
    labels: ['instance'],
  });
  const storing = metrics.gauge({
    name: 'storage_up',
    help: '1 while this worker can store pictures; 0: it claims no jobs until it can.',
  });
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
  const transitions = metrics.counter({
    name: 'instance_transitions_total',
    help: 'Times the instance became up, down, resting, wedged, warming or occupied, the first time included.',
    labels: ['instance', 'to'],
  });
  const rests = metrics.gauge({
    name: 'instance_rests',
    help:
      'What the instance is not given, or only to try it, since jobs failed there: scope all is 1 while that is all of ' +
      'its work; part counts workflows, checkpoints and API keys. code is that of the last error, none where there is none.',
    labels: ['instance', 'scope', 'code'],
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
    transitions,
    watch: (instances, store) => {
      for (const { instance } of instances) {
        // A rate needs the zero from which it rose.
        for (const outcome of OUTCOMES) prompts.inc({ instance: instance.name, outcome }, 0);
        for (const code of Object.keys(KINDS)) faults.inc({ instance: instance.name, code }, 0);
        for (const to of ['up', 'down', 'resting', 'wedged', 'warming', 'occupied'])
          transitions.inc({ instance: instance.name, to }, 0);
        for (const counter of [switches, loads, loadSeconds, loadsAvoided]) counter.inc({ instance: instance.name }, 0);
      }
      metrics.beforeScrape(() => {
        storing.set(store.fault === undefined ? 1 : 0);
        busy.reset();
        rests.reset();
        for (const { instance, meter } of instances) {
          up.set({ instance: instance.name }, isInService(instance.health) ? 1 : 0);
          for (const state of INSTANCE_STATES) {
            states.set({ instance: instance.name, state }, instance.health.state === state ? 1 : 0);
          }
          for (const scope of ['all', 'part'] as const) {
            const own = instance.health.rests.filter(
              (rest) => (Object.keys(rest.scope).length === 0) === (scope === 'all'),
            );
            rests.set({ instance: instance.name, scope, code: own.at(-1)?.code ?? 'none' }, own.length);
          }
          busy.inc({ instance: instance.name }, meter.busy.total(performance.now()) / 1000);
        }
      });
    },
  };
}
