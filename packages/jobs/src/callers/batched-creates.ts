import { batched, retryOnTimeout } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { LRUCache } from 'lru-cache';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { graphFile, isLargeText, originFile, type Payloads } from '../record/payloads.js';
import { fieldsOf, type JobSnapshot, parsePlace, parseSnapshot, recordOf, type ScriptPlace } from '../record/record.js';
import type { StoredSource } from '../record/workflows.js';
import { type NewOrder, type OrderBounds, orderArguments, recordFields } from './new-order.js';

/** Orders written by one script call: a burst of callers cannot hold up Redis for long, and Redis works while we do. */
const ENOUGH = 25;

/** Versions of which a process remembers that Redis has their sources. */
const MOST_REMEMBERED = 1000;

/** Before the first event. */
const NO_EVENT = '0-0';

/**
 * What became of an order. `again`: the same order was sent twice; `replayed`: it was made before under its
 * Idempotency-Key; `aliased`: a living job of the caller has an alias of its jobs; `new`: it has no jobs, and was not;
 * `reused`: the key was used for another request; `gone`: the jobs it made were deleted since; `full`: there are too
 * many open jobs; `key_full`: the caller has too many that wait; `large`: the caller's jobs hold too many bytes.
 */
export type CreateResult =
  | {
      readonly verdict: 'made' | 'again' | 'replayed' | 'aliased';
      readonly ids: readonly string[];
      readonly only: JobSnapshot | undefined;
    }
  | { readonly verdict: 'new' | 'reused' | 'gone' | 'full' | 'key_full' | 'large' };

/**
 * Writes orders; those of one turn of the event loop travel in one round trip, and are on disk after one fsync. The
 * source of a workflow travels with the first order that names it, and again only when Redis says that it lacks it.
 * Large texts are files before the script refers to them.
 */
export function createBatchedCreates(
  redis: Redis,
  keys: Keys,
  payloads: Pick<Payloads, 'put'>,
  { jobTtlSeconds, ...bounds }: OrderBounds & { readonly jobTtlSeconds: number },
): (order: NewOrder) => Promise<CreateResult> {
  const stored = new LRUCache<string, true>({ max: MOST_REMEMBERED });
  const lackingSources = (order: NewOrder) =>
    sourcesOf(order).filter(({ version }) => stored.get(version) === undefined);
  const write = async (orders: readonly NewOrder[], sources = orders.map(lackingSources)): Promise<Sent[]> => {
    const written = orders.flatMap((order, index) => orderArguments(order, bounds, sources[index]));
    const named = { ended_life: jobTtlSeconds * 1000 };
    // A repeat for the same ids changes nothing.
    const answer = await retryOnTimeout(() => runScript(redis, 'create', keys.callers, keys.prefix, named, written));
    const replies = JSON.parse(answer as string) as Reply[];
    for (const [index, [verdict]] of replies.entries()) {
      if (verdict === 'made') for (const { version } of sources[index] ?? []) stored.set(version, true);
    }
    return replies.map((reply, index) => parseReply(reply, orders[index] as NewOrder));
  };
  const load = batched<NewOrder, Sent>((orders) => write(orders), { maxBatchSize: ENOUGH });
  const alone = async (order: NewOrder): Promise<Sent> => {
    const sources = lackingSources(order);
    for (const { version, text } of sources) if (isLargeText(text)) await payloads.put(graphFile(version), text);
    for (const { id, origin = '' } of order.jobs) if (isLargeText(origin)) await payloads.put(originFile(id), origin);
    return (await write([order], [sources]))[0] as Sent;
  };
  const send = (order: NewOrder) => (isAlone(order) ? alone(order) : load(order));
  return async (order) => {
    const sent = await send(order);
    if (sent.verdict !== 'unstored') return sent;
    for (const version of sent.versions) stored.delete(version);
    const written = await send(order);
    if (written.verdict === 'unstored') throw new Error('the sources of workflows are not kept');
    return written;
  };
}

/** It keeps Redis busy long enough by itself, or waits for files. */
function isAlone({ jobs: [job, ...others] }: NewOrder): boolean {
  return others.length > 0 || isLargeText(job?.source?.text ?? '') || isLargeText(job?.origin ?? '');
}

/** Each once. */
function sourcesOf({ jobs }: NewOrder): StoredSource[] {
  const sources = jobs.flatMap(({ source }) => source ?? []);
  return [...new Map(sources.map((source) => [source.version, source])).values()];
}

/** Redis lacks the sources of these versions, and nothing was made. */
type Sent = CreateResult | { readonly verdict: 'unstored'; readonly versions: readonly string[] };

type Reply =
  | readonly [verdict: 'made', ids: string[], createdAt: string, startDeadline: string, place: ScriptPlace]
  | readonly [verdict: 'again' | 'replayed' | 'aliased', ids: string[], only?: unknown]
  | readonly [verdict: 'unstored', versions: string[]]
  | readonly [verdict: 'new' | 'reused' | 'gone' | 'full' | 'key_full' | 'large'];

function parseReply(reply: Reply, order: NewOrder): Sent {
  const [verdict, ids] = reply;
  switch (verdict) {
    case 'made':
      return { verdict, ids, only: ids.length === 1 ? newSnapshot(reply, order) : undefined };
    case 'again':
    case 'replayed':
    case 'aliased':
      return { verdict, ids, only: reply[2] === undefined ? undefined : parseSnapshot(reply[2]) };
    case 'unstored':
      return { verdict, versions: ids };
    default:
      return { verdict };
  }
}

/** The job as it was made this moment, without reading it back. */
function newSnapshot(
  [, , createdAt, startDeadline, place]: Extract<Reply, readonly ['made', ...unknown[]]>,
  order: NewOrder,
): JobSnapshot | undefined {
  const [job] = order.jobs;
  const { caller: key } = order;
  const record =
    job &&
    recordOf({
      ...fieldsOf(recordFields(job, order).map(String)),
      id: job.id,
      key,
      pool: job.pool,
      status: 'queued',
      phase: 'waiting',
      created_at: createdAt,
      start_deadline: startDeadline,
    });
  return record && { record, ...parsePlace(place), lastEventId: NO_EVENT };
}
