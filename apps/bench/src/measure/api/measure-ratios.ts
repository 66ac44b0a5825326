import type { Request } from 'autocannon';
import { cpuShare, watchProcess } from '../../lib/process-usage.js';
import type { Scope } from '../../lib/scope.js';
import { type ApiStack, startApiStack } from './api-stack.js';
import { startBare } from './bare.js';
import { job } from './bodies.js';
import { fill } from './fill.js';
import { fullLoad } from './full-load.js';

/** What one server did under full load. */
export interface Load {
  readonly perSecond: number;
  readonly ms: readonly number[];
  /** Processor time of the server for a request; undefined where the kernel does not tell. */
  readonly cpuMs: number | undefined;
}

export interface Round {
  readonly service: Load;
  readonly bare: Load;
}

export interface Ratio {
  readonly what: string;
  readonly rounds: readonly Round[];
}

export interface RatioOptions {
  readonly core: string | undefined;
  readonly rounds: number;
  /** Of each server in each round. */
  readonly seconds: number;
  readonly onProgress: (text: string) => void;
}

const CONNECTIONS = 100;
const JOBS = 200;
const WARM_UP_SECONDS = 3;

interface Server {
  readonly url: string;
  readonly pid: number;
}

/** The API and the bare server in turns, so that a machine that becomes slower does so for both. */
export function measureRatios(all: Scope, options: RatioOptions): Promise<readonly Ratio[]> {
  return all.inner(async (scope) => {
    const { core, onProgress } = options;
    const stack = await startApiStack(scope, { core });
    const ids = await fill(stack, JOBS);
    const answers: Record<string, string> = { made: await stack.ask('POST', '/generate', job(0)) };
    for (const id of ids) answers[id] = await stack.ask('GET', `/jobs/${id}`);
    const bare = await startBare(scope, stack, { core, answers });
    await requireSame(stack, bare, ids);
    const reads = ids.map((id): Request => ({ method: 'GET', path: `/jobs/${id}` }));
    const creates = [{ method: 'POST', path: '/generate', body: JSON.stringify(job(1)) }] as const;
    onProgress('GET /jobs/:id beside a bare route');
    const reading = await inTurns(scope, { what: 'GET /jobs/:id', requests: reads, stack, bare }, options);
    onProgress('POST /generate beside a bare route');
    const creating = await inTurns(scope, { what: 'POST /generate', requests: creates, stack, bare }, options);
    return [reading, creating];
  });
}

/** What is compared has to be the same. */
async function requireSame(stack: ApiStack, bare: Server, ids: readonly string[]): Promise<void> {
  const path = `/jobs/${ids[0]}`;
  const answer = await fetch(`${bare.url}${path}`, { signal: AbortSignal.timeout(5000) });
  const [ours, its] = [await stack.ask('GET', path), await answer.text()];
  if (ours !== its) throw new Error(`the bare server answers other bytes:\n${its}\nthan the API:\n${ours}`);
}

interface Turns {
  readonly what: string;
  readonly requests: readonly Request[];
  readonly stack: ApiStack;
  readonly bare: Server;
}

async function inTurns(scope: Scope, { what, requests, stack, bare }: Turns, options: RatioOptions): Promise<Ratio> {
  const headers = { authorization: `Bearer ${stack.key}`, 'content-type': 'application/json' };
  const load = ({ url }: Server, seconds: number) =>
    fullLoad({ url, requests, headers, connections: CONNECTIONS, seconds });
  const measured = (server: Server): Promise<Load> =>
    scope.inner(async (inner) => {
      const samples = watchProcess(inner, server.pid);
      const from = Date.now();
      const { requests: count, seconds, ms } = await load(server, options.seconds);
      const perSecond = count / seconds;
      const share = cpuShare(samples, from, Date.now());
      return { perSecond, ms, cpuMs: share === undefined ? undefined : (share * 1000) / perSecond };
    });
  for (const server of [stack, bare]) await load(server, WARM_UP_SECONDS);
  const rounds: Round[] = [];
  while (rounds.length < options.rounds) {
    rounds.push({ service: await measured(stack), bare: await measured(bare) });
  }
  return { what, rounds };
}
