import { Agent } from 'node:http';
import { residentBytes } from '../../lib/process-usage.js';
import type { Scope } from '../../lib/scope.js';
import { startApiStack } from './api-stack.js';
import { openStream } from './event-stream.js';
import { cancelAll, fill } from './fill.js';

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
