import { FleetError, orAborted, type ResolvedRequest } from '@comfy-fleet/contracts';
import { openWorkflow, type Workflow, WorkflowError, type Workflows } from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';

type Named = Pick<ResolvedRequest, 'workflow' | 'version'>;

/** The workflows of jobs by the version that each job was accepted with. */
export interface KnownWorkflows extends Pick<Workflows, 'profiles'> {
  /** Undefined until it was loaded. */
  of(request: Named): Workflow | undefined;
  /** Reads it unless it is known. Throws workflow_missing, queue_unavailable, storage_failed, and the signal's reason. */
  load(request: Named, signal: AbortSignal): Promise<Workflow>;
}

/** Versions of which jobs come again and again; a graph is some 10 to 100 KB. */
const MOST_KNOWN = 200;
const READ_TIMEOUT_MS = 10_000;

export function createKnownWorkflows(
  source: (version: string) => Promise<string | undefined>,
  profiles: Workflows['profiles'],
): KnownWorkflows {
  const known = new LRUCache<string, Workflow>({ max: MOST_KNOWN });
  const reading = new Map<string, Promise<Workflow>>();
  // The name says whether /generate or /img2img needs it.
  const idOf = ({ workflow, version }: Named) => `${version} ${workflow}`;
  const of = (request: Named) => known.get(idOf(request));

  const read = async ({ workflow, version }: Named): Promise<Workflow> => {
    const late = AbortSignal.timeout(READ_TIMEOUT_MS);
    const text = await orAborted(source(version), late).catch((cause: unknown) => {
      if (!late.aborted) throw cause;
      throw new FleetError('queue_unavailable', 'The workflow was not read in time.', { retryAfterSeconds: 1, cause });
    });
    if (text === undefined) {
      const detail = `The version ${version} of the workflow ${workflow} is no longer there.`;
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
  /** What several ask for at the same time is read once. */
  const readOnce = (request: Named) => {
    const id = idOf(request);
    const begun =
      reading.get(id) ??
      read(request)
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
    load: async (request, signal) => of(request) ?? orAborted(readOnce(request), signal),
  };
}
