import type { JobKind, JobStatus, Lod, ResolvedRequest } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { afterWorkflowPrefix, firstIdAt, idOfMember, jobPages, PAGE_BYTES, workflowPrefix } from '../record/indexes.js';
import { presentLod } from '../record/present-job.js';
import type { JobSnapshot } from '../record/record.js';

/** Which jobs of a caller are wanted; what is absent does not matter. */
export interface JobFilter {
  readonly status?: JobStatus | undefined;
  readonly lod?: Lod | undefined;
  readonly kind?: JobKind | undefined;
  /** The name of what they run. */
  readonly workflow?: string | undefined;
  /** Id of the job that they were made from. */
  readonly parent?: string | undefined;
  /** ms since 1970; by the time in the job's id. */
  readonly createdAfter?: number | undefined;
  readonly createdBefore?: number | undefined;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Asked of those that match the rest, for what no record says. */
  readonly accepts?: ((snapshot: JobSnapshot) => Promise<boolean>) | undefined;
}

export interface JobPage {
  readonly jobs: readonly JobSnapshot[];
  /** Where the next page begins: after this id. Undefined when there is nothing more. */
  readonly next: string | undefined;
}

/** Ids looked at for one page when there is something to filter by. */
const MOST_SCANNED = 2000;
const SCAN_STEP = 200;
/** Of an answer, about: a page of jobs with more is cut, and the rest is on the next one. */
const ANSWER_BYTES = 8 * PAGE_BYTES;

interface Sources {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly read: (id: string) => Promise<JobSnapshot | undefined>;
}

/**
 * The caller's jobs, newest first, from after the id `cursor` on. Those of one workflow or of one parent have a list of
 * their own; any other filter looks at MOST_SCANNED ids at most. So a page may be short although there is more, also
 * where its jobs are large. Nothing else is read over `redis`, which large answers keep busy.
 */
export async function listJobs(
  { redis, keys, read }: Sources,
  caller: string,
  { filter: asked, cursor, limit }: { filter: JobFilter; cursor: string | undefined; limit: number },
): Promise<JobPage> {
  const { index, prefix, above, filter } = indexFor(keys, caller, asked);
  const lowest = `[${prefix}${filter.createdAfter === undefined ? '' : firstIdAt(filter.createdAfter + 1)}`;
  const before = filter.createdBefore === undefined ? undefined : firstIdAt(filter.createdBefore);
  const first = cursor === undefined || (before !== undefined && before < cursor) ? before : cursor;
  let from = first === undefined ? above : `(${prefix}${first}`;
  const found: JobSnapshot[] = [];
  let bytes = 0;
  const step = isEmpty(filter) ? limit + 1 : SCAN_STEP;
  for (let scanned = 0; scanned < MOST_SCANNED; scanned += step) {
    const members = await redis.zrevrangebylex(index, from, lowest, 'LIMIT', 0, step);
    const ids = members.map(idOfMember);
    for await (const page of jobPages(redis, keys, caller, ids)) {
      const wanted = isEmpty(filter) ? page.ids : await matching(redis, keys, page.ids, filter);
      if (wanted.length === 0) continue;
      if (found.length > 0 && bytes + page.bytes > ANSWER_BYTES) return { jobs: found, next: found.at(-1)?.record.id };
      bytes += page.bytes;
      for (const snapshot of await Promise.all(wanted.map(read))) {
        // A record that has expired leaves its id to the housekeeping; one may have left the state it was found in.
        if (snapshot === undefined || (filter.status !== undefined && snapshot.record.status !== filter.status))
          continue;
        if (filter.accepts !== undefined && !(await filter.accepts(snapshot))) continue;
        if (found.length === limit) return { jobs: found, next: found.at(-1)?.record.id };
        found.push(snapshot);
      }
    }
    if (members.length < step) return { jobs: found, next: undefined };
    from = `(${members.at(-1)}`;
  }
  return { jobs: found, next: idOfMember(from.slice(1)) };
}

/** The shortest list that has all that are wanted, and what is left to filter by. */
function indexFor(keys: Keys, caller: string, filter: JobFilter) {
  const { parent, workflow, ...others } = filter;
  if (parent !== undefined) {
    return { index: keys.childrenOf(caller, parent), prefix: '', above: '+', filter: { ...others, workflow } };
  }
  if (workflow === undefined) return { index: keys.jobsOf(caller), prefix: '', above: '+', filter: others };
  const above = `(${afterWorkflowPrefix(workflow)}`;
  return { index: keys.jobsByWorkflow(caller), prefix: workflowPrefix(workflow), above, filter: others };
}

/** The ids whose records match, read with no more than the filter needs. */
async function matching(redis: Redis, keys: Keys, ids: readonly string[], filter: JobFilter): Promise<string[]> {
  const records = await Promise.all(ids.map((id) => redis.hmget(keys.job(id), 'status', 'kind', 'request')));
  return ids.filter((_id, index) => {
    const [status, kind, request] = records[index] ?? [];
    if (filter.status !== undefined && filter.status !== status) return false;
    if (filter.kind !== undefined && filter.kind !== kind) return false;
    return typeof request === 'string' && requestMatches(JSON.parse(request) as ResolvedRequest, filter);
  });
}

function requestMatches(request: ResolvedRequest, filter: JobFilter): boolean {
  const { metadata, workflow } = request;
  if (filter.workflow !== undefined && filter.workflow !== workflow) return false;
  if (filter.lod !== undefined && filter.lod !== presentLod(request)) return false;
  return Object.entries(filter.metadata ?? {}).every(
    ([name, value]) => Object.hasOwn(metadata, name) && metadata[name] === value,
  );
}

function isEmpty({ status, lod, kind, workflow, metadata = {}, accepts }: JobFilter): boolean {
  const named = [status, lod, kind, workflow, accepts];
  return named.every((wish) => wish === undefined) && Object.keys(metadata).length === 0;
}
