import {
  type FieldError,
  FleetError,
  type Job,
  type JobList,
  type JobListQuery,
  jobListQuerySchema,
} from '@comfy-fleet/contracts';
import type { JobFilter, JobSnapshot } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { presentSnapshot } from '../../orders/order-job.js';
import { type Caller, knownCaller } from '../../server/caller.js';
import type { Handler, Reply } from '../../server/messages.js';
import { createQueryReader } from '../../server/validator.js';

const DEFAULT_LIMIT = 20;
const METADATA = 'metadata.';

/** The caller's jobs, newest first. */
export function listJobs(deps: Deps): Handler {
  const read = createQueryReader(jobListQuerySchema);
  return ({ query, caller }) => deps.heavyReads(knownCaller(caller).id, () => list(query, caller));

  async function list(query: URLSearchParams, caller: Caller | undefined): Promise<Reply> {
    const asked = read(query);
    const { limit: most = DEFAULT_LIMIT, cursor } = asked;
    const present = (snapshot: JobSnapshot) => presentSnapshot(deps, snapshot, caller);
    // Shown as it was when it was found: meanwhile it may have come to wait for something else.
    const found = new Map<JobSnapshot, Job>();
    const waitsForIt = async (snapshot: JobSnapshot) => {
      const job = await present(snapshot);
      const matches = job.waiting_for?.code === asked.waiting_for;
      if (matches) found.set(snapshot, job);
      return matches;
    };
    const filter = { ...filterOf(asked), ...(asked.waiting_for === undefined ? {} : { accepts: waitsForIt }) };
    const page = await deps.ledger.jobs.list(knownCaller(caller).id, { filter, cursor, limit: most });
    const body: JobList = {
      data: await Promise.all(page.jobs.map((snapshot) => found.get(snapshot) ?? present(snapshot))),
      has_more: page.next !== undefined,
      next_cursor: page.next ?? null,
    };
    return { status: 200, body };
  }
}

function filterOf(query: JobListQuery): JobFilter {
  const { lod, kind, workflow, parent, waiting_for, created_after, created_before } = query;
  // Others wait for nothing, and need not be read.
  const status = query.status ?? (waiting_for === undefined ? undefined : 'queued');
  const metadata = Object.entries(query as Record<string, string>)
    .filter(([name]) => name.startsWith(METADATA))
    .map(([name, value]) => [name.slice(METADATA.length), value] as const);
  return {
    status,
    lod,
    kind,
    workflow,
    parent,
    createdAfter: time('created_after', created_after),
    createdBefore: time('created_before', created_before),
    metadata: Object.fromEntries(metadata),
  };
}

/** ms since 1970. The schema knows the form of a time, but not that there is no 30th of February. */
function time(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  if (Number.isFinite(ms)) return ms;
  const errors: FieldError[] = [{ pointer: `/${name}`, detail: 'must be a time like 2026-11-25T10:00:00Z' }];
  throw new FleetError('validation_failed', 'The query has an invalid parameter.', { errors });
}
