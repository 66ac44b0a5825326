import { setTimeout as delay } from 'node:timers/promises';
import { isTerminal, type JobStatus } from '@comfy-fleet/contracts';
import { Feed, type Subscriptions, untilReady } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import type { JobSnapshot, Preview, Progress } from '../record/record.js';

/** An event that the scripts write to a job's stream. A terminal status is the last one. */
export type JobEvent =
  | { readonly type: 'status'; readonly status: JobStatus }
  | { readonly type: 'progress'; readonly progress: Progress };

export type JobStreamItem =
  | { readonly kind: 'snapshot'; readonly snapshot: JobSnapshot }
  /** Previews are not stored, because only the latest matters; after a gap, another one follows. */
  | { readonly kind: 'preview'; readonly preview: Preview }
  | { readonly kind: 'event'; readonly id: string; readonly event: JobEvent };

/** Compares stream ids (`<ms>-<sequence>`): negative if `a` comes before `b`. */
export function compareEventIds(a: string, b: string): number {
  const [aTime = 0, aSequence = 0] = a.split('-').map(Number);
  const [bTime = 0, bSequence = 0] = b.split('-').map(Number);
  return aTime - bTime || aSequence - bSequence;
}

/** Whether a text can be a stream id, such as a caller's Last-Event-ID. */
export function isEventId(text: string): boolean {
  return /^\d{1,15}-\d{1,15}$/.test(text);
}

interface Sources {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly subscriptions: Subscriptions;
  readonly read: (id: string) => Promise<JobSnapshot | undefined>;
}

/** Published previews begin with this; events begin with their id. */
const PREVIEW = 'preview ';
/** If this many messages wait for a slow reader, previews are dropped. Other messages arrive at most twice a second. */
const MOST_WAITING = 8;

/** How often reading missed events is tried. */
const MOST_TRIES = 5;
const RETRY_MS = 200;

type StoredEvent = Extract<JobStreamItem, { kind: 'event' }>;

export interface JobStreamOptions {
  readonly after?: string;
  readonly signal: AbortSignal;
  /** Asked before each preview is read, but not before the first snapshot. Default: always. */
  readonly wantsPreviews?: () => boolean;
}

/**
 * Yields a job's snapshot and then its events from there on (or from the event id `after` on), until the terminal one.
 * Ends at once for an unknown job. Throws the signal's reason if the signal aborts. Survives lost connections.
 *
 * It subscribes, then reads, then drops what was read already, so that nothing is missed or sent twice.
 */
export async function* jobStream(
  sources: Sources,
  id: string,
  { after, signal, wantsPreviews = () => true }: JobStreamOptions,
): AsyncGenerator<JobStreamItem> {
  const feed = new Feed<string | undefined>();
  const leave = await sources.subscriptions.listen(sources.keys.jobChannel(id), (message) => {
    // Otherwise previews would pile up for a slow reader.
    if (message?.startsWith(PREVIEW) && (feed.length >= MOST_WAITING || !wantsPreviews())) return;
    feed.push(message);
  });
  try {
    const snapshot = await sources.read(id);
    if (snapshot === undefined) return;
    yield { kind: 'snapshot', snapshot };
    // An id from the future can only come from a faulty client. It would hide all events that are still to come.
    let seen = after !== undefined && isBefore(after, snapshot.lastEventId) ? after : snapshot.lastEventId;
    let items = isBefore(seen, snapshot.lastEventId) ? await storedAfter(sources, id, seen) : [];
    let ended = isTerminal(snapshot.record.status);
    // A failure is ignored: the next preview will be published.
    let shown = ended || !wantsPreviews() ? null : await sources.redis.get(sources.keys.preview(id)).catch(() => null);
    if (shown !== null) yield { kind: 'preview', preview: JSON.parse(shown) as Preview };
    for (;;) {
      for (const item of items) {
        if (!isBefore(seen, item.id)) continue;
        yield item;
        seen = item.id;
        if (isLast(item)) return;
      }
      if (ended) return;
      const message = await feed.next(signal);
      if (message === undefined) {
        const since = seen;
        ({ ended, items } = await retryAfterGap(sources, signal, () => readMissed(sources, id, since)));
      } else if (message.startsWith(PREVIEW)) {
        const preview = message.slice(PREVIEW.length);
        // The preview that was read may be published only now.
        if (preview !== shown) yield { kind: 'preview', preview: JSON.parse(preview) as Preview };
        shown = preview;
      } else {
        items = [parsePublished(message)];
      }
    }
  } finally {
    leave();
  }
}

/**
 * The order matters: if the job has ended, its last event is among those read next. If its events expired, or it ended
 * without having begun, the record tells its end.
 */
async function readMissed(sources: Sources, id: string, seen: string) {
  const now = await sources.read(id);
  const items = await storedAfter(sources, id, seen);
  if (now === undefined) return { ended: true, items };
  const { lastEventId, record } = now;
  const ended = isTerminal(record.status);
  const isTold = !ended || items.some(isLast);
  if (!isTold) items.push({ kind: 'event', id: lastEventId, event: { type: 'status', status: record.status } });
  return { ended, items };
}

/** The reading connection may notice later than the subscribed one that its server is gone or no longer the primary. */
async function retryAfterGap<T>({ redis }: Sources, signal: AbortSignal, read: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    await untilReady(redis, signal);
    try {
      return await read();
    } catch (error) {
      if (tries === MOST_TRIES) throw error;
      await delay(RETRY_MS, undefined, { signal });
    }
  }
}

function isBefore(a: string, b: string): boolean {
  return compareEventIds(a, b) < 0;
}

function isLast(item: StoredEvent): boolean {
  return item.event.type === 'status' && isTerminal(item.event.status);
}

function parsePublished(message: string): StoredEvent {
  const space = message.indexOf(' ');
  return { kind: 'event', id: message.slice(0, space), event: JSON.parse(message.slice(space + 1)) as JobEvent };
}

async function storedAfter({ redis, keys }: Sources, id: string, after: string): Promise<StoredEvent[]> {
  const entries = await redis.xrange(keys.events(id), `(${after}`, '+');
  return entries.map(([eventId, fields]) => ({
    kind: 'event',
    id: eventId,
    event: JSON.parse(fields[1] ?? '') as JobEvent,
  }));
}
