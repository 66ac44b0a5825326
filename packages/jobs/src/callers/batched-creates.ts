import { batched, retryOnTimeout } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { LRUCache } from 'lru-cache';
import { runScript } from '../connection.js';
import type { Keys } from '../keys.js';
import { graphFile, isLargeText, originFile, type Payloads } from '../record/payloads.js';
import { type JobSnapshot, parsePlace, parseSnapshot, recordOf, type ScriptPlace } from '../record/record.js';
import type { StoredSource } from '../record/workflows.js';
import { type NewOrder, type OrderBounds, orderArguments, type RecordFields, recordFields } from './new-order.js';

/**
 * Maximum number of orders per script call, so that a burst of orders does not block Redis for long, and Redis works
 * while we prepare more.
 */
const MAX_ORDERS = 25;

/** How many versions a process remembers as stored in Redis. */
const MOST_REMEMBERED = 1000;

/** The event id before the first event. */
const NO_EVENT = '0-0';

/**
 * The result of an order. `made`: its jobs were created; `again`: the same order was sent twice; `replayed`: it was
 * created before under its Idempotency-Key; `aliased`: a job of the caller already has the alias of one of its jobs;
 * `new`: it has no jobs, and was not created before; `reused`: its Idempotency-Key was used for another request;
 * `gone`: its jobs have been deleted; `full`: there are too many open jobs; `key_full`: the caller has too many waiting
 * jobs; `large`: the caller's jobs hold too many bytes.
 */
export type CreateResult =
  | {
      readonly verdict: 'made' | 'again' | 'replayed' | 'aliased';
      readonly ids: readonly string[];
      readonly only: JobSnapshot | undefined;
    }
  | { readonly verdict: 'new' | 'reused' | 'gone' | 'full' | 'key_full' | 'large' };

/**
 * Creates orders. Those of one turn of the event loop share a round trip and an fsync. The source of a workflow is sent
 * with the first order that names it, and again only if Redis lacks it. Large texts are stored as files before the
 * script refers to them.
 */
export function createBatchedCreates(
  redis: Redis,
  keys: Keys,
  payloads: Pick<Payloads, 'put'>,
  { jobTtlSeconds, ...bounds }: OrderBounds & { readonly jobTtlSeconds: number },
): (order: NewOrder) => Promise<CreateResult> {
  const stored = new LRUCache<string, true>({ max: MOST_REMEMBERED });
  const missingSources = (order: NewOrder) =>
    sourcesOf(order).filter(({ version }) => stored.get(version) === undefined);
  const write = async (orders: readonly NewOrder[], sources = orders.map(missingSources)): Promise<Sent[]> => {
    const records = orders.map((order) => order.jobs.map((job) => recordFields(job, order)));
    const written = orders.flatMap((order, n) => orderArguments(order, records[n] ?? [], bounds, sources[n]));
    const named = { ended_life: jobTtlSeconds * 1000 };
    // Repeating an order with the same ids changes nothing.
    const answer = await retryOnTimeout(() => runScript(redis, 'create', keys.callers, keys.prefix, named, written));
    const replies = JSON.parse(answer as string) as Reply[];
    for (const [index, [verdict]] of replies.entries()) {
      if (verdict === 'made') for (const { version } of sources[index] ?? []) stored.set(version, true);
    }
    return replies.map((reply, index) => parseReply(reply, orders[index] as NewOrder, records[index]?.[0]));
  };
  const load = batched<NewOrder, Sent>((orders) => write(orders), { maxBatchSize: MAX_ORDERS });
  const alone = async (order: NewOrder): Promise<Sent> => {
    const sources = missingSources(order);
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
    if (written.verdict === 'unstored') throw new Error('Redis did not keep the sources of workflows');
    return written;
  };
}

/**
 * Whether the order is sent alone: it has several jobs, which is enough for one script call, or it must wait for files.
 */
function isAlone({ jobs: [job, ...others] }: NewOrder): boolean {
  return others.length > 0 || isLargeText(job?.source?.text ?? '') || isLargeText(job?.origin ?? '');
}

/** The sources of an order, without duplicates. */
function sourcesOf({ jobs }: NewOrder): StoredSource[] {
  const sources = jobs.flatMap(({ source }) => source ?? []);
  return [...new Map(sources.map((source) => [source.version, source])).values()];
}

/** `unstored`: Redis lacks the sources of these versions, and nothing was created. */
type Sent = CreateResult | { readonly verdict: 'unstored'; readonly versions: readonly string[] };

type Reply =
  | readonly [verdict: 'made', ids: string[], createdAt: string, startDeadline: string, place: ScriptPlace]
  | readonly [verdict: 'again' | 'replayed' | 'aliased', ids: string[], only?: unknown]
  | readonly [verdict: 'unstored', versions: string[]]
  | readonly [verdict: 'new' | 'reused' | 'gone' | 'full' | 'key_full' | 'large'];

function parseReply(reply: Reply, order: NewOrder, fields?: RecordFields): Sent {
  const [verdict, ids] = reply;
  switch (verdict) {
    case 'made':
      return { verdict, ids, only: ids.length === 1 ? newSnapshot(reply, order, fields) : undefined };
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

/** The snapshot of a job that was just created, without reading it back. */
function newSnapshot(
  [, , created_at, start_deadline, place]: Extract<Reply, readonly ['made', ...unknown[]]>,
  { jobs: [job], caller: key }: NewOrder,
  fields?: RecordFields,
): JobSnapshot | undefined {
  if (job === undefined || fields === undefined) return undefined;
  const { id, pool, request } = job;
  const added = { id, key, pool, status: 'queued', phase: 'waiting', created_at, start_deadline };
  const record = recordOf(Object.assign(fields, added), request);
  return record && { record, ...parsePlace(place), lastEventId: NO_EVENT };
}
