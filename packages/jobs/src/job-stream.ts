import { isTerminal } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import { compareEventIds, type JobEvent, type JobStreamItem } from './events.js';
import { Feed } from './feed.js';
import type { Keys } from './keys.js';
import type { JobSnapshot } from './record.js';
import type { Subscriptions } from './subscriptions.js';

interface Sources {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly subscriptions: Subscriptions;
  readonly read: (id: string) => Promise<JobSnapshot | undefined>;
}

type StoredEvent = Extract<JobStreamItem, { kind: 'event' }>;

/**
 * A job's snapshot and then its events from there on (or from `after`, an event id, on), until the terminal one. Ends at
 * once for an unknown job. Throws the signal's reason when that aborts.
 *
 * Subscribe, then read, then drop what was seen: so nothing that happens in between is missed or told twice.
 */
export async function* jobStream(
  sources: Sources,
  id: string,
  { after, signal }: { after?: string; signal: AbortSignal },
): AsyncGenerator<JobStreamItem> {
  const feed = new Feed<string | undefined>();
  const leave = await sources.subscriptions.listen(sources.keys.jobChannel(id), (message) => feed.push(message));
  try {
    const snapshot = await sources.read(id);
    if (snapshot === undefined) return;
    yield { kind: 'snapshot', snapshot };
    let seen = after ?? snapshot.lastEventId;
    if (after !== undefined) {
      for (const item of await storedAfter(sources, id, after)) {
        yield item;
        seen = item.id;
        if (isLast(item)) return;
      }
    }
    if (isTerminal(snapshot.record.status)) return;
    for (;;) {
      const message = await feed.next(signal);
      const items = message === undefined ? await storedAfter(sources, id, seen) : [parsePublished(message)];
      for (const item of items) {
        if (compareEventIds(item.id, seen) <= 0) continue;
        yield item;
        seen = item.id;
        if (isLast(item)) return;
      }
    }
  } finally {
    leave();
  }
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
