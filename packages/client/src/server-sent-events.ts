/** One event of a stream (WHATWG HTML, section 9.2.6). */
export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
  /** The last id that the stream has set. */
  readonly id: string | undefined;
}

/** A stream silent for this long is dead; the API sends a heartbeat four times as often. */
const SILENT_MS = 60_000;

/** The events of a body, until it ends or falls silent. */
export async function* serverSentEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  let event = '';
  let data: string[] = [];
  let id: string | undefined;
  for await (const line of lines(body)) {
    if (line === '') {
      if (data.length > 0) yield { event: event || 'message', data: data.join('\n'), id };
      event = '';
      data = [];
      continue;
    }
    const colon = line.indexOf(':');
    if (colon === 0) continue; // a comment, used as heartbeat
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') event = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id') id = value;
  }
}

async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await nextOf(reader);
      rest += decoder.decode(value, { stream: !done });
      const parts = rest.split(/\r\n|\n|\r(?!$)/);
      rest = parts.pop() ?? '';
      yield* parts;
      if (done) return;
    }
  } finally {
    // If the caller stops early, the server need not send the rest.
    await reader.cancel().catch(() => {});
  }
}

/** A connection can die without notice, so a silent one counts as ended. */
async function nextOf(reader: ReadableStreamDefaultReader<Uint8Array>) {
  const timer = setTimeout(() => void reader.cancel().catch(() => {}), SILENT_MS);
  try {
    return await reader.read();
  } finally {
    clearTimeout(timer);
  }
}
