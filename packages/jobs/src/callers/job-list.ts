import type { JobKind, JobStatus, Lod, ResolvedRequest } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import { above, firstIdAt, idOfMember, jobPages, PAGE_BYTES, prefixOf } from '../record/indexes.js';
import { presentLod } from '../record/present-job.js';
import type { JobSnapshot } from '../record/record.js';

/** Which jobs of a caller to list. Absent fields match all jobs. */
export interface JobFilter {
  readonly status?: JobStatus | undefined;
  readonly lod?: Lod | undefined;
  readonly kind?: JobKind | undefined;
  /** The name of their workflow. */
  readonly workflow?: string | undefined;
  /** Id of the job that they were made from. */
  readonly parent?: string | undefined;
  /** ms since 1970, compared with the time in the job's id. */
  readonly createdAfter?: number | undefined;
  readonly createdBefore?: number | undefined;
  readonly metadata?: Readonly<Record<string, string>>;
  /** A condition on something that records do not contain. Called for jobs that match all other fields. */
  readonly accepts?: ((snapshot: JobSnapshot) => Promise<boolean>) | undefined;
}

export interface JobQuery {
  readonly filter: JobFilter;
  readonly cursor: string | undefined;
  readonly limit: number;
}

interface JobPage {
  readonly jobs: readonly JobSnapshot[];
  /** The next page begins after this id. Undefined if there are no more. */
  readonly next: string | undefined;
}

/** Maximum number of ids that are read for one page if there is a filter, and of jobs that are read as a whole for `accepts`. */
const MOST_SCANNED = 2000;
const MOST_ACCEPTED = 400;
const SCAN_STEP = 200;
/**
 * About how many bytes of jobs an answer may have, which is up to three times as long. A page with more is cut short, and
 * the rest is on the next page.
 */
const ANSWER_BYTES = PAGE_BYTES;

interface Sources {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly read: (id: string) => Promise<JobSnapshot | undefined>;
}

/**
 * Lists the caller's jobs, newest first, beginning after the id `cursor`. Jobs of one workflow or one parent are
 * listed by themselves; with any other filter, at most MOST_SCANNED ids are read. So a page may be short although there are more
 * jobs, also if its jobs are large. `redis` must be a connection for lists only, because large answers keep it busy.
 */
export async function listJobs(
  { redis, keys, read }: Sources,
  caller: string,
  { filter: asked, cursor, limit }: JobQuery,
): Promise<JobPage> {
  const prefix = prefixOf(asked);
  const filter = asked.parent === undefined ? { ...asked, workflow: undefined } : asked;
  const lowest = `[${prefix}${filter.createdAfter === undefined ? '' : firstIdAt(filter.createdAfter + 1)}`;
  const before = filter.createdBefore === undefined ? undefined : firstIdAt(filter.createdBefore);
  const first = cursor === undefined || (before !== undefined && before < cursor) ? before : cursor;
  let from = first === undefined ? above(prefix) : `(${prefix}${first}`;
  const found: JobSnapshot[] = [];
  let bytes = 0;
  const step = isEmpty(filter) ? limit + 1 : SCAN_STEP;
  const most = filter.accepts === undefined ? MOST_SCANNED : MOST_ACCEPTED;
  for (let scanned = 0; scanned < most; scanned += step) {
    const members = await redis.zrevrangebylex(keys.jobsOf(caller), from, lowest, 'LIMIT', 0, step);
    const ids = members.map((member) => idOfMember(member, prefix));
    for await (const page of jobPages(redis, keys, caller, ids)) {
      const wanted = isEmpty(filter) ? page.ids : await matching(redis, keys, page.ids, filter);
      if (wanted.length === 0) continue;
      if (found.length > 0 && bytes + page.bytes > ANSWER_BYTES) return { jobs: found, next: found.at(-1)?.record.id };
      bytes += page.bytes;
      for (const snapshot of await Promise.all(wanted.map(read))) {
        // The record may have expired, which leaves its id to the housekeeping, or may have changed its status since.
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
  return { jobs: found, next: idOfMember(from.slice(1), prefix) };
}

/** The ids whose records match. Reads only the fields that the filter needs. */
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
  return named.every((value) => value === undefined) && Object.keys(metadata).length === 0;
}
