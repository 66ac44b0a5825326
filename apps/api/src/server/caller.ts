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

/** Who asks. */
export interface Caller {
  /** Of the API key. */
  readonly id: string;
  readonly scopes: readonly Scope[];
  /** Undefined: as much as there is room for. */
  readonly limits: KeyLimits | undefined;
  /** How much GPU time it gets of what keys with waiting jobs share. */
  readonly weight: number;
  /** The highest priority it gets. */
  readonly maxPriority: number | undefined;
  /** Of GPUs at work for it in a day (UTC); undefined: no such limit. */
  readonly gpuSecondsPerDay: number | undefined;
  /** What one job of it may ask of a GPU, where that is less than others may. */
  readonly gpuLimits: Partial<GpuLimits>;
  /** Longest execution of one job of it; undefined: as others. */
  readonly maxGpuSeconds: number | undefined;
  /** Patterns of the workflows that it may run; undefined: all. */
  readonly workflows: readonly string[] | undefined;
  /** Patterns of node classes that its own graphs may have besides the reviewed ones; undefined: any. */
  readonly allowNodes: readonly string[] | undefined;
  /** Patterns of node classes that its own graphs may not have, whatever else allows them. */
  readonly denyNodes: readonly string[];
  /** ComfyUI's API shows the prompts of each client as ended in the order in which they were sent. */
  readonly inOrder: boolean;
  /** For jobs that name no webhook themselves. */
  readonly webhook: ApiKey['webhook'];
}

/** Everybody, as long as there are no keys. */
export const anonymousCaller: Caller = {
  id: ANONYMOUS,
  scopes: SCOPES,
  limits: undefined,
  weight: 1,
  maxPriority: undefined,
  gpuSecondsPerDay: undefined,
  gpuLimits: {},
  maxGpuSeconds: undefined,
  workflows: undefined,
  allowNodes: undefined,
  denyNodes: [],
  inOrder: false,
  webhook: undefined,
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

/** The caller of a route that nobody enters without one. */
export function knownCaller(caller: Caller | undefined): Caller {
  if (caller === undefined) throw new Error('a route that needs a caller let somebody in without one');
  return caller;
}

/** Whether the key may run the workflow of that name. */
export function mayRun({ workflows }: Pick<Caller, 'workflows'>, name: string): boolean {
  return workflows === undefined || matchesAny(name, workflows);
}

/** Throws forbidden. Graphs of a key's own are another right; see Scope. */
export function requireMayRun(caller: Pick<Caller, 'workflows'>, { name }: Pick<Workflow, 'name'>): void {
  if (name === GRAPH || mayRun(caller, name)) return;
  throw new FleetError('forbidden', `This API key may not run the workflow ${name}.`);
}

/** Throws forbidden. */
export function requireScope({ scopes }: Pick<Caller, 'scopes'>, scope: Scope): void {
  if (scopes.includes(scope)) return;
  throw new FleetError('forbidden', `This API key does not have the scope ${scope}, which this needs.`);
}
