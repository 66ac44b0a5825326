import { setTimeout as delay } from 'node:timers/promises';
import { isTerminal, type JobStatus } from '@comfy-fleet/contracts';
import { Feed, type Subscriptions, untilReady } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';
import type { JobSnapshot, Preview, Progress } from '../record/record.js';

/** What the scripts write into a job's stream. A terminal status is its last event. */
export type JobEvent =
  | { readonly type: 'status'; readonly status: JobStatus }
  | { readonly type: 'progress'; readonly progress: Progress };

export type JobStreamItem =
  | { readonly kind: 'snapshot'; readonly snapshot: JobSnapshot }
  /** Only the latest is worth showing: none is stored, and after a pause the next one comes. */
  | { readonly kind: 'preview'; readonly preview: Preview }
  | { readonly kind: 'event'; readonly id: string; readonly event: JobEvent };

/** Orders stream ids (`<ms>-<sequence>`): negative when `a` came before `b`. */
export function compareEventIds(a: string, b: string): number {
  const [aTime = 0, aSequence = 0] = a.split('-').map(Number);
  const [bTime = 0, bSequence = 0] = b.split('-').map(Number);
  return aTime - bTime || aSequence - bSequence;
}

/** True for a text that can be a stream id, such as a caller's Last-Event-ID. */
export function isEventId(text: string): boolean {
  return /^\d{1,15}-\d{1,15}$/.test(text);
}

interface Sources {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly subscriptions: Subscriptions;
  readonly read: (id: string) => Promise<JobSnapshot | undefined>;
}

/** What a published preview begins with; an event begins with its id. */
const PREVIEW = 'preview ';
/** Messages waiting for a slow reader, from which on previews are dropped: there are at most two others a second. */
const MOST_WAITING = 8;

/** Of reading what was missed. */
const MOST_TRIES = 5;
const RETRY_MS = 200;

type StoredEvent = Extract<JobStreamItem, { kind: 'event' }>;

/**
 * A job's snapshot and then its events from there on (or from `after`, an event id, on), until the terminal one, or
 * until the job is found ended after its events expired. Ends at once for an unknown job. Throws the signal's reason
 * when that aborts. Lives through a lost connection.
 *
 * Subscribe, then read, then drop what was seen: so nothing that happens in between is missed or sent twice.
 */
export async function* jobStream(
  sources: Sources,
  id: string,
  { after, signal }: { after?: string; signal: AbortSignal },
): AsyncGenerator<JobStreamItem> {
  const feed = new Feed<string | undefined>();
  const leave = await sources.subscriptions.listen(sources.keys.jobChannel(id), (message) => {
    // A reader who cannot keep up would have them pile up here.
    if (message?.startsWith(PREVIEW) && feed.length >= MOST_WAITING) return;
    feed.push(message);
  });
  try {
    const snapshot = await sources.read(id);
    if (snapshot === undefined) return;
    yield { kind: 'snapshot', snapshot };
    // An id from the future, which only a confused caller has, would hide everything that is still to come.
    let seen = after !== undefined && isBefore(after, snapshot.lastEventId) ? after : snapshot.lastEventId;
    let items = isBefore(seen, snapshot.lastEventId) ? await storedAfter(sources, id, seen) : [];
    let ended = isTerminal(snapshot.record.status);
    // Only a hint: the next one comes.
    let shown = ended ? null : await sources.redis.get(sources.keys.preview(id)).catch(() => null);
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
        // What was read may be published only now.
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

/** In this order: a job found ended here has its last event among those read next, unless they expired. */
async function readMissed(sources: Sources, id: string, seen: string) {
  const now = await sources.read(id);
  const ended = now === undefined || isTerminal(now.record.status);
  return { ended, items: await storedAfter(sources, id, seen) };
}

/** The connection that reads may learn later than the one that listens that its server is gone, or not the primary. */
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
