import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { WebSocket } from 'ws';
import { type Goal, table } from '../../lib/report.js';
import { residentBytes } from '../../lib/resource-usage.js';
import type { Scope } from '../../lib/scope.js';
import { startApiStack } from './api-stack.js';
import { cancelAll, fill } from './jobs.js';

export interface Streams {
  readonly streams: number;
  /** Resident memory of the API in bytes, without and with them; undefined on systems other than Linux. */
  readonly before: number | undefined;
  readonly open: number | undefined;
  /** How many streams ended with the terminal event of their job. */
  readonly completed: number;
  /** From the first cancel to the end of the last stream. */
  readonly endSeconds: number;
}

const PATIENCE_MS = 30_000;

interface Options {
  readonly core: string | undefined;
  readonly print: (text: string) => void;
}

/** Opens very many event streams of a new API, each for another job, and then ends all jobs. */
export async function measureStreams(
  scope: Scope,
  { core, print, streams: count }: Options & { readonly streams: number },
): Promise<Goal[]> {
  print(`measuring ${count} event streams`);
  const { streams, before, open, completed, endSeconds } = await openStreams(scope, core, count);
  print(
    table(
      'Resident memory of one API process with open event streams, in MiB',
      ['streams', 'before', 'with them', 'KiB each', 'completed', 's until then'],
      [
        [
          streams,
          mib(before),
          mib(open),
          kibEach(streams, { before, open })?.toFixed(1) ?? '',
          completed,
          endSeconds.toFixed(1),
        ],
      ],
    ),
  );
  return [{ what: 'completed event streams', value: completed, unit: 'streams', bound: 'at least', limit: streams }];
}

function openStreams(all: Scope, core: string | undefined, count: number): Promise<Streams> {
  return all.inner(async (scope) => {
    const stack = await startApiStack(scope, { core });
    const ids = await fill(stack, count);
    const before = await residentBytes(stack.pid);
    const agent = new Agent({ keepAlive: false });
    scope.onClose(() => agent.destroy());
    const headers = { authorization: `Bearer ${stack.key}` };
    const streams = ids.map((id) => openStream(`${stack.url}/jobs/${id}/events`, { agent, headers }));
    await Promise.all(streams.map(({ open }) => open));
    const open = await residentBytes(stack.pid);
    const began = performance.now();
    await cancelAll(stack, ids);
    const late = AbortSignal.timeout(PATIENCE_MS);
    const tooLate = new Promise<false>((resolve) => late.addEventListener('abort', () => resolve(false)));
    const ends = await Promise.all(streams.map(({ ended }) => Promise.race([ended.catch(() => false), tooLate])));
    const endSeconds = (performance.now() - began) / 1000;
    return { streams: count, before, open, completed: ends.filter(Boolean).length, endSeconds };
  });
}

/** The event stream of a job. */
export interface OpenStream {
  /** Resolves when the first event has arrived. */
  readonly open: Promise<void>;
  /** Resolves when the stream has ended, to whether its last `status` was terminal. */
  readonly ended: Promise<boolean>;
}

function openStream(
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
  ended.catch(() => {}); // no unhandled rejection before somebody awaits it
  return { open: first.then(() => undefined), ended };
}

/** The status in the last `status` event of a stream; undefined if there is none. */
export function lastStatus(text: string): string | undefined {
  const last = text.split('\n\n').findLast((event) => event.startsWith('event: status\n'));
  const data = last?.split('\n').find((line) => line.startsWith('data: '));
  return data === undefined ? undefined : (JSON.parse(data.slice('data: '.length)) as { status: string }).status;
}

function isTerminal(status: string | undefined): boolean {
  return ['succeeded', 'failed', 'canceled', 'expired'].includes(status ?? '');
}

export interface Sockets {
  readonly sockets: number;
  /** Resident memory of the API in bytes, without and with them; undefined on systems other than Linux. */
  readonly before: number | undefined;
  readonly open: number | undefined;
}

/** Opens very many sockets of ComfyUI's API on a new API, each for another client. */
export async function measureSockets(
  scope: Scope,
  { core, print, sockets: count }: Options & { readonly sockets: number },
): Promise<Goal[]> {
  print(`measuring ${count} sockets`);
  const { sockets, before, open } = await openSockets(scope, core, count);
  const each = kibEach(sockets, { before, open });
  print(
    table(
      "Resident memory of one API process with open sockets of ComfyUI's API, in MiB",
      ['sockets', 'before', 'with them', 'KiB each'],
      [[sockets, mib(before), mib(open), each?.toFixed(1) ?? '']],
    ),
  );
  const what = `memory of each of ${sockets} sockets`;
  return each === undefined ? [] : [{ what, value: each, unit: 'KiB', bound: 'at most', limit: 32 }];
}

function openSockets(all: Scope, core: string | undefined, count: number): Promise<Sockets> {
  return all.inner(async (scope) => {
    const stack = await startApiStack(scope, { core });
    const before = await residentBytes(stack.pid);
    const headers = { authorization: `Bearer ${stack.key}` };
    const address = `${stack.url.replace('http', 'ws')}/comfyui/ws`;
    const opening = Array.from({ length: count }, async (_, n) => {
      const socket = new WebSocket(`${address}?clientId=${n}`, { headers });
      scope.onClose(() => socket.terminate());
      await once(socket, 'message'); // the first message has the length of the queue
    });
    await Promise.all(opening);
    return { sockets: count, before, open: await residentBytes(stack.pid) };
  });
}

const MIB = 1024 ** 2;

const mib = (bytes: number | undefined) => (bytes === undefined ? '' : (bytes / MIB).toFixed(1));

/** The memory of each connection in KiB; undefined on systems other than Linux. */
function kibEach(count: number, { before, open }: Pick<Sockets, 'before' | 'open'>): number | undefined {
  return before === undefined || open === undefined ? undefined : (open - before) / count / 1024;
}
