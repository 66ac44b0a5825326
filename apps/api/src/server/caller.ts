import type { KeyLimits } from '@comfy-fleet/config';
import {
  ANONYMOUS,
  type ApiKey,
  FleetError,
  type GpuLimits,
  matchesAny,
  readGpuLimits,
  SCOPES,
  type Scope,
} from '@comfy-fleet/contracts';
import { GRAPH, type Workflow } from '@comfy-fleet/workflows';

/** An API key and its rights. Undefined limits are none. */
export interface Caller {
  readonly id: string;
  readonly scopes: readonly Scope[];
  readonly limits?: KeyLimits | undefined;
  /** Of its share of GPU time. */
  readonly weight: number;
  readonly maxPriority?: number | undefined;
  readonly gpuSecondsPerDay?: number | undefined;
  /** Of one job. */
  readonly gpuLimits: Partial<GpuLimits>;
  readonly maxGpuSeconds?: number | undefined;
  /** Patterns of the workflows that it may run; undefined: all. */
  readonly workflows?: readonly string[] | undefined;
  /** Patterns of node classes that its own graphs may have besides the reviewed ones; undefined: any. */
  readonly allowNodes?: readonly string[] | undefined;
  readonly denyNodes: readonly string[];
  /** ComfyUI's API shows the prompts of each client as ended in the order in which they were sent. */
  readonly inOrder: boolean;
  /** For jobs that name none. */
  readonly webhook?: ApiKey['webhook'];
}

/** The caller of every request while there are no keys. */
export const anonymousCaller: Caller = {
  id: ANONYMOUS,
  scopes: SCOPES,
  weight: 1,
  gpuLimits: {},
  denyNodes: [],
  inOrder: false,
};

export function callerOf(key: ApiKey, defaults: KeyLimits): Caller {
  const { limits = {} } = key;
  return {
    id: key.id,
    scopes: key.scopes,
    limits: {
      requestsPerMinute: limits.requests_per_minute ?? defaults.requestsPerMinute,
      jobsWaiting: limits.jobs_waiting ?? defaults.jobsWaiting,
      jobsReserved: defaults.jobsReserved,
      jobsRunning: limits.jobs_running ?? defaults.jobsRunning,
      uploadBytesPerDay: limits.upload_bytes_per_day ?? defaults.uploadBytesPerDay,
    },
    weight: key.weight ?? 1,
    maxPriority: key.max_priority,
    gpuSecondsPerDay: limits.max_gpu_seconds_per_day,
    gpuLimits: readGpuLimits(limits),
    maxGpuSeconds: limits.max_gpu_seconds,
    workflows: key.workflows,
    allowNodes: key.scopes.includes('admin') ? undefined : (key.allow_nodes ?? []),
    denyNodes: key.deny_nodes ?? [],
    inOrder: key.in_order ?? false,
    webhook: key.webhook,
  };
}

/** The caller of a route that requires one. */
export function knownCaller(caller: Caller | undefined): Caller {
  if (caller === undefined) throw new Error('a route that needs a caller let somebody in without one');
  return caller;
}

export function mayRun({ workflows }: Pick<Caller, 'workflows'>, name: string): boolean {
  return workflows === undefined || matchesAny(name, workflows);
}

/** Throws forbidden. Graphs of a key's own need a scope instead. */
export function requireMayRun(caller: Pick<Caller, 'workflows'>, { name }: Pick<Workflow, 'name'>): void {
  if (name === GRAPH || mayRun(caller, name)) return;
  throw new FleetError('forbidden', `This API key may not run the workflow ${name}.`);
}

/** Throws forbidden. */
export function requireScope({ scopes }: Pick<Caller, 'scopes'>, scope: Scope): void {
  if (scopes.includes(scope)) return;
  throw new FleetError('forbidden', `This API key does not have the scope ${scope}, which this needs.`);
}
