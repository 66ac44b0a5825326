import { once } from 'node:events';
import { type Agent, type IncomingMessage, request } from 'node:http';

/** A job's events as somebody reads them. */
export interface OpenStream {
  /** The first event is there. */
  readonly open: Promise<void>;
  /** Resolves when the stream has ended: whether its last `status` was a terminal one. */
  readonly ended: Promise<boolean>;
}

export function openStream(
  url: string,
  { agent, headers }: { readonly agent: Agent; readonly headers: Readonly<Record<string, string>> },
): OpenStream {
  const sent = request(url, { agent, headers });
  sent.end();
  const parts = (async () => {
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    if (response.statusCode !== 200) throw new Error(`${url}: ${response.statusCode}`);
    return response.setEncoding('utf8')[Symbol.asyncIterator]();
  })();
  const first = parts.then(async (chunks) => (await chunks.next()).value as string);
  const ended = (async () => {
    let text = await first;
    const chunks = await parts;
    for (let part = await chunks.next(); part.done !== true; part = await chunks.next()) text += part.value;
    return isTerminal(lastStatus(text));
  })();
  ended.catch(() => {}); // until it is waited for
  return { open: first.then(() => undefined), ended };
}

/** The status of the job in the last `status` event of a stream; undefined without one. */
export function lastStatus(text: string): string | undefined {
  const last = text.split('\n\n').findLast((event) => event.startsWith('event: status\n'));
  const data = last?.split('\n').find((line) => line.startsWith('data: '));
  return data === undefined ? undefined : (JSON.parse(data.slice('data: '.length)) as { status: string }).status;
}

function isTerminal(status: string | undefined): boolean {
  return ['succeeded', 'failed', 'canceled', 'expired'].includes(status ?? '');
}
