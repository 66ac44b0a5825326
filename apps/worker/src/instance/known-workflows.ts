import { FleetError, orAborted, type ResolvedRequest } from '@comfy-fleet/contracts';
import type { JobRecord, SourceOwner } from '@comfy-fleet/jobs';
import {
  findLacks,
  modelsOf,
  openWorkflow,
  type Workflow,
  WorkflowError,
  type Workflows,
} from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import type { Instance } from './instance.js';

type Named = Pick<ResolvedRequest, 'workflow' | 'version'>;

/** The workflows of jobs, each in the version with which the job was accepted. */
export interface KnownWorkflows extends Pick<Workflows, 'profiles'> {
  /** Undefined until it is loaded. */
  of(request: Named): Workflow | undefined;
  /**
   * Reads the job's workflow unless it is known. Throws workflow_missing, queue_unavailable, storage_failed, or the signal's
   * reason.
   */
  load(job: SourceOwner, signal: AbortSignal): Promise<Workflow>;
}

/** Versions in memory; a graph takes some 10 to 100 KB. */
const MOST_KNOWN = 200;
const READ_TIMEOUT_MS = 10_000;

export function createKnownWorkflows(
  source: (job: SourceOwner) => Promise<string | undefined>,
  profiles: Workflows['profiles'],
): KnownWorkflows {
  const known = new LRUCache<string, Workflow>({ max: MOST_KNOWN });
  const reading = new Map<string, Promise<Workflow>>();
  // The name is part of the id, because /generate and /img2img need different inputs of a graph.
  const idOf = ({ workflow, version }: Named) => `${version} ${workflow}`;
  const of = (request: Named) => known.get(idOf(request));

  const read = async (job: SourceOwner): Promise<Workflow> => {
    const { workflow, version } = job.request;
    const late = AbortSignal.timeout(READ_TIMEOUT_MS);
    const text = await orAborted(source(job), late).catch((cause: unknown) => {
      if (!late.aborted) throw cause;
      throw new FleetError('queue_unavailable', 'The workflow was not read in time.', { retryAfterSeconds: 1, cause });
    });
    if (text === undefined) {
      const detail = `The version ${version} of the workflow ${workflow} is no longer stored.`;
      throw new FleetError('workflow_missing', detail);
    }
    try {
      return openWorkflow(workflow, text);
    } catch (cause) {
      if (!(cause instanceof WorkflowError)) throw cause;
      const detail = `This worker cannot read the workflow ${workflow}: ${cause.faults.join('; ')}.`;
      throw new FleetError('workflow_missing', detail, { cause });
    }
  };
  /** Concurrent requests for a version read it once. */
  const readOnce = (job: SourceOwner) => {
    const id = idOf(job.request);
    const begun =
      reading.get(id) ??
      read(job)
        .then((workflow) => {
          known.set(id, workflow);
          return workflow;
        })
        .finally(() => reading.delete(id));
    reading.set(id, begun);
    return begun;
  };
  return {
    profiles,
    of,
    load: async (job, signal) => of(job.request) ?? orAborted(readOnce(job), signal),
  };
}

/**
 * Whether the instance serves the job's pool and has its nodes and models. An instance or workflow that is not known
 * yet counts as able.
 */
export function canRun({ pool, request }: JobRecord, instance: Instance, workflows: KnownWorkflows): boolean {
  return instance.pools.includes(pool) && lacksNothing(request, instance, workflows);
}

/** The same for a request of a pool that the instance serves. */
export function lacksNothing(
  request: ResolvedRequest,
  { abilities }: Pick<Instance, 'abilities'>,
  workflows: KnownWorkflows,
): boolean {
  const workflow = workflows.of(request);
  return workflow === undefined || abilities === undefined || findLacks(workflow, request, abilities).length === 0;
}

/** The model files that the job's graph names; none while its workflow is unknown. */
export function modelsOfJob(workflows: KnownWorkflows, request: ResolvedRequest): readonly string[] {
  const workflow = workflows.of(request);
  return workflow === undefined ? [] : modelsOf(workflow, request);
}
