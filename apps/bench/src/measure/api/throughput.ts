import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onFreePort, startProgram } from '@comfy-fleet/testing';
import autocannon, { type Client, type Request } from 'autocannon';
import { WORKFLOWS_DIR } from '../../lib/local.js';
import { type Goal, median, p, table } from '../../lib/report.js';
import { cpuShare, watchProcess } from '../../lib/resource-usage.js';
import type { Scope } from '../../lib/scope.js';
import { type ApiStack, pin, publishCatalogue, startApiStack } from './api-stack.js';
import { drawSeed, fill, job, orders, prompt } from './jobs.js';

const JOBS = 200;
const BARE = 'bare Express';

/** The API beside the bare server. */
export function measureRatios(all: Scope, options: RatioOptions): Promise<readonly Ratio[]> {
  return all.inner(async (scope) => {
    const { core } = options;
    const stack = await startApiStack(scope, { core });
    const ids = await fill(stack, JOBS);
    const answers: Record<string, string> = { made: await stack.ask('POST', '/generate', job(0)) };
    for (const id of ids) answers[id] = await stack.ask('GET', `/jobs/${id}`);
    const bare = await startBare(scope, stack, { core, answers });
    await requireSame(stack, bare, ids);
    const measured = (what: string, requests: readonly Request[]) => {
      const service = { what, server: stack, requests };
      return inTurns(scope, { service, beside: { what: BARE, server: bare, requests }, key: stack.key }, options);
    };
    const reading = await measured(
      'GET /jobs/:id',
      ids.map((id) => ({ method: 'GET', path: `/jobs/${id}` })),
    );
    return [
      reading,
      await measured(
        'POST /generate',
        orders('/generate', () => job(drawSeed())),
      ),
    ];
  });
}

/** What is compared has to be the same. */
async function requireSame(stack: ApiStack, bare: { readonly url: string }, ids: readonly string[]): Promise<void> {
  const path = `/jobs/${ids[0]}`;
  const answer = await fetch(`${bare.url}${path}`, { signal: AbortSignal.timeout(5000) });
  const [ours, its] = [await stack.ask('GET', path), await answer.text()];
  if (ours !== its) throw new Error(`the bare server answers other bytes:\n${its}\nthan the API:\n${ours}`);
}

/** A prompt of ComfyUI's API beside a job of ours, on one API that judges prompts by what an instance has. */
export function measureCompat(all: Scope, options: RatioOptions): Promise<Ratio> {
  return all.inner(async (scope) => {
    const stack = await startApiStack(scope, { core: options.core });
    await publishCatalogue(stack);
    const graph = await readFile(join(WORKFLOWS_DIR, 'text2img.json'), 'utf8');
    const prompts = orders('/comfyui/prompt', () => prompt(graph));
    const jobs = orders('/generate', () => job(drawSeed()));
    const service = { what: 'POST /comfyui/prompt', server: stack, requests: prompts };
    const beside = { what: 'POST /generate', server: stack, requests: jobs };
    return inTurns(scope, { service, beside, key: stack.key }, options);
  });
}

/** What a server did under full load. */
export interface Load {
  readonly perSecond: number;
  readonly ms: readonly number[];
  /** Processor time of the server for a request; undefined where the kernel does not tell. */
  readonly cpuMs: number | undefined;
}

export interface Round {
  readonly service: Load;
  readonly beside: Load;
}

/** Requests of one kind beside those of another, both under full load. */
export interface Ratio {
  readonly what: string;
  readonly beside: string;
  readonly rounds: readonly Round[];
}

export interface RatioOptions {
  readonly core: string | undefined;
  readonly rounds: number;
  /** Of each side in each round. */
  readonly seconds: number;
  readonly onProgress: (text: string) => void;
}

/** What is asked of whom. */
export interface Side {
  readonly what: string;
  readonly server: Server;
  readonly requests: readonly Request[];
}

interface Server {
  readonly url: string;
  readonly pid: number;
}

const CONNECTIONS = 100;
const WARM_UP_SECONDS = 3;

/** Two sides in turns, each the first in every other round, so that a machine that becomes slower does so for both. */
async function inTurns(
  scope: Scope,
  { service, beside, key }: { readonly service: Side; readonly beside: Side; readonly key: string },
  options: RatioOptions,
): Promise<Ratio> {
  options.onProgress(`${service.what} beside ${beside.what}`);
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const load = ({ server: { url }, requests }: Side, seconds: number) =>
    fullLoad({ url, requests, headers, connections: CONNECTIONS, seconds });
  const measured = (side: Side): Promise<Load> =>
    scope.inner(async (inner) => {
      const samples = watchProcess(inner, side.server.pid);
      const from = Date.now();
      const { requests: count, seconds, ms } = await load(side, options.seconds);
      const perSecond = count / seconds;
      const share = cpuShare(samples, from, Date.now());
      return { perSecond, ms, cpuMs: share === undefined ? undefined : (share * 1000) / perSecond };
    });
  for (const side of [service, beside]) await load(side, WARM_UP_SECONDS);
  const rounds: Round[] = [];
  while (rounds.length < options.rounds) {
    if (rounds.length % 2 === 0) rounds.push({ service: await measured(service), beside: await measured(beside) });
    else {
      const before = await measured(beside);
      rounds.push({ service: await measured(service), beside: before });
    }
  }
  return { what: service.what, beside: beside.what, rounds };
}

export interface FullLoad {
  readonly url: string;
  readonly requests: readonly Request[];
  readonly headers: Readonly<Record<string, string>>;
  /** Each sends its next request when it has the answer to the last. */
  readonly connections: number;
  readonly seconds: number;
}

export interface FullLoadResult {
  readonly requests: number;
  readonly seconds: number;
  /** Of each request, in milliseconds. */
  readonly ms: readonly number[];
}

/** As many requests as the server can do. Throws when one is not answered with 2xx. */
async function fullLoad({ url, requests, headers, connections, seconds }: FullLoad): Promise<FullLoadResult> {
  const ms: number[] = [];
  const setupClient = (client: Client) => {
    client.on('response', (_status, _bytes, duration) => ms.push(duration));
  };
  const result = await autocannon({
    url,
    requests: [...requests],
    headers,
    connections,
    duration: seconds,
    setupClient,
  });
  const { non2xx, errors, timeouts } = result;
  if (non2xx + errors + timeouts > 0) {
    throw new Error(`${url}: ${non2xx} refused, ${errors} failed, ${timeouts} too late, of ${result.requests.total}`);
  }
  return { requests: result['2xx'], seconds: result.duration, ms };
}

const SERVER = fileURLToPath(new URL('./bare-server.js', import.meta.url));

/** The bare server beside an API, on the same core and the same Redis; `answers` is by id, and `made` for POST. */
async function startBare(
  scope: Scope,
  { redisUrl, prefix, dir }: ApiStack,
  { core, answers }: { readonly core: string | undefined; readonly answers: Readonly<Record<string, string>> },
): Promise<{ url: string; pid: number }> {
  const file = join(dir, 'answers.json');
  const entries = Object.entries(answers).map(([id, text]) => `${JSON.stringify(id)}:${text}`);
  await writeFile(file, `{${entries.join(',')}}`);
  const env = { NODE_ENV: 'production' };
  const log = join(dir, 'bare.log');
  return onFreePort(async (port) => {
    const url = `http://127.0.0.1:${port}`;
    const args = [SERVER, `${port}`, redisUrl, prefix, file];
    const server = startProgram(process.execPath, args, { env, log });
    await pin(scope, server, { core, readyUrl: `${url}/livez` });
    return { url, pid: server.pid };
  });
}

/**
 * CPU time of a request against that of one it is compared with. Where the kernel reports no CPU times, the rates count,
 * which Redis and the load generator on the other core limit too.
 */
function ratioOf({ service, beside }: Round): number {
  if (service.cpuMs === undefined || beside.cpuMs === undefined) return beside.perSecond / service.perSecond;
  return service.cpuMs / beside.cpuMs;
}

export function ratioTable({ what, beside, rounds }: Ratio): string {
  const side = ({ perSecond, ms, cpuMs }: Load) => [
    perSecond.toFixed(0),
    p(ms, 50),
    p(ms, 99),
    cpuMs === undefined ? '' : (cpuMs * 1000).toFixed(0),
  ];
  const cells = rounds.map((round, n) => [
    `${n + 1}`,
    ...side(round.service),
    ...side(round.beside),
    ratioOf(round).toFixed(3),
  ]);
  const times = ['p50', 'p99', 'CPU µs'];
  const head = ['round', 'req/s', ...times, 'beside req/s', ...times, 'CPU ÷ CPU'];
  return table(`${what} beside ${beside}, both under full load; times in ms`, head, cells);
}

/** The median of the rounds: one in which the machine had something else to do counts as one. */
export function ratioGoals(ratios: readonly Ratio[]): Goal[] {
  return ratios.map(({ what, beside, rounds }) => {
    return {
      what: `CPU time of ${what} ÷ ${beside}`,
      value: median(rounds.map(ratioOf)),
      unit: '',
      bound: 'at most',
      limit: 2,
    };
  });
}
