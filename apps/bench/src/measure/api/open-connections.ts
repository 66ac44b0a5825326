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
  /** Of the API's process, in bytes; undefined where the kernel does not tell. */
  readonly before: number | undefined;
  readonly open: number | undefined;
  /** Streams that ended with the terminal event of their job. */
  readonly told: number;
  /** From the first canceling to the last stream's end. */
  readonly endSeconds: number;
}

const PATIENCE_MS = 30_000;

/** An API that has just been started gets very many open event streams, each of a job of its own; then all jobs end. */
export function measureStreams(
  all: Scope,
  { core, streams: count }: { readonly core: string | undefined; readonly streams: number },
): Promise<Streams> {
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
    const told = await Promise.all(streams.map(({ ended }) => Promise.race([ended.catch(() => false), tooLate])));
    const endSeconds = (performance.now() - began) / 1000;
    return { streams: count, before, open, told: told.filter(Boolean).length, endSeconds };
  });
}

/** A job's events as somebody reads them. */
export interface OpenStream {
  /** The first event is there. */
  readonly open: Promise<void>;
  /** Resolves when the stream has ended: whether its last `status` was a terminal one. */
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

export interface Sockets {
  readonly sockets: number;
  /** Of the API's process, in bytes; undefined where the kernel does not tell. */
  readonly before: number | undefined;
  readonly open: number | undefined;
}

/** An API that has just been started gets very many sockets of ComfyUI's, each of a client of its own. */
export function measureSockets(
  all: Scope,
  { core, sockets: count }: { readonly core: string | undefined; readonly sockets: number },
): Promise<Sockets> {
  return all.inner(async (scope) => {
    const stack = await startApiStack(scope, { core });
    const before = await residentBytes(stack.pid);
    const headers = { authorization: `Bearer ${stack.key}` };
    const address = `${stack.url.replace('http', 'ws')}/comfyui/ws`;
    const opening = Array.from({ length: count }, async (_, n) => {
      const socket = new WebSocket(`${address}?clientId=${n}`, { headers });
      scope.onClose(() => socket.terminate());
      await once(socket, 'message'); // the first says how long the queue is
    });
    await Promise.all(opening);
    return { sockets: count, before, open: await residentBytes(stack.pid) };
  });
}

const MIB = 1024 ** 2;

const mib = (bytes: number | undefined) => (bytes === undefined ? '' : (bytes / MIB).toFixed(1));

/** In KiB; undefined where the kernel does not tell. */
function eachOf(count: number, { before, open }: Pick<Sockets, 'before' | 'open'>): number | undefined {
  return before === undefined || open === undefined ? undefined : (open - before) / count / 1024;
}

export function streamsTable({ streams, before, open, told, endSeconds }: Streams): string {
  const each = eachOf(streams, { before, open })?.toFixed(1) ?? '';
  return table(
    'Resident memory of one API process with open event streams, in MiB',
    ['streams', 'before', 'with them', 'KiB each', 'got their end', 's until then'],
    [[`${streams}`, mib(before), mib(open), each, `${told}`, endSeconds.toFixed(1)]],
  );
}

export function streamsGoals({ streams, told }: Streams): Goal[] {
  return [
    { what: 'event streams that got their end', value: told, unit: 'streams', bound: 'at least', limit: streams },
  ];
}

export function socketsTable({ sockets, before, open }: Sockets): string {
  const each = eachOf(sockets, { before, open })?.toFixed(1) ?? '';
  return table(
    "Resident memory of one API process with open sockets of ComfyUI's API, in MiB",
    ['sockets', 'before', 'with them', 'KiB each'],
    [[`${sockets}`, mib(before), mib(open), each]],
  );
}

export function socketsGoals({ sockets, ...memory }: Sockets): Goal[] {
  const value = eachOf(sockets, memory);
  const what = `memory of each of ${sockets} sockets`;
  return value === undefined ? [] : [{ what, value, unit: 'KiB', bound: 'at most', limit: 32 }];
}
