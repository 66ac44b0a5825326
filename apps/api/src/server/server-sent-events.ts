import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Reply } from './messages.js';

/** An event in the text/event-stream format. Without an id, the client's Last-Event-ID does not change. */
export function serverSentEvent(event: string, data: object, id?: string): string {
  const lines = [`event: ${event}`, ...(id === undefined ? [] : [`id: ${id}`]), `data: ${JSON.stringify(data)}`];
  return `${lines.join('\n')}\n\n`;
}

export const EVENT_STREAM = 'text/event-stream';

export function streamed(events: AsyncGenerator<string>): Reply {
  // Its end may be as large as a large response.
  const headers = { 'Content-Type': EVENT_STREAM, 'X-Accel-Buffering': 'no', Connection: 'close' };
  return { status: 200, headers, body: Readable.from(events) };
}

const COMMENT = ': still here\n\n';

/** The messages, and a comment after each `everyMs` of silence, so that no proxy closes the connection. */
export async function* withHeartbeat(messages: AsyncGenerator<string>, everyMs: number): AsyncGenerator<string> {
  try {
    let next = messages.next();
    for (;;) {
      const timer = new AbortController();
      const silence = delay(everyMs, undefined, { signal: timer.signal }).catch(() => undefined);
      const result = await Promise.race([next, silence]);
      timer.abort();
      if (result === undefined) {
        yield COMMENT;
        continue;
      }
      if (result.done === true) return;
      yield result.value;
      next = messages.next();
    }
  } finally {
    await messages.return(undefined);
  }
}
