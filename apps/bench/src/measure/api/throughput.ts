import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onFreePort, startProgram } from '@comfy-fleet/testing';
import autocannon, { type Client, type Request } from 'autocannon';
import { type Goal, median, p, table } from '../../lib/report.js';
import { cpuShare, watchProcess } from '../../lib/resource-usage.js';
import type { Scope } from '../../lib/scope.js';
import { WORKFLOWS_DIR } from '../../local.js';
import { type ApiStack, pin, publishCatalogue, startApiStack } from './api-stack.js';
import { drawSeed, fill, job, orders, prompt } from './jobs.js';

const JOBS = 200;
const BARE = 'bare Express';

/**
 * Measures the API under full load: next to a bare server that gives the same answers, and a prompt of ComfyUI's API
 * next to a job of ours.
 */
export async function measureThroughput(scope: Scope, options: RatioOptions): Promise<Goal[]> {
  const ratios = [...(await besideBareServer(scope, options)), await comfyuiBesideOwn(scope, options)];
  for (const ratio of ratios) options.print(ratioTable(ratio));
  return ratioGoals(ratios);
}

function besideBareServer(all: Scope, options: RatioOptions): Promise<readonly Ratio[]> {
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

/** Throws unless both servers give the same answer. */
async function requireSame(stack: ApiStack, bare: { readonly url: string }, ids: readonly string[]): Promise<void> {
  const path = `/jobs/${ids[0]}`;
  const answer = await fetch(`${bare.url}${path}`, { signal: AbortSignal.timeout(5000) });
  const [ours, its] = [await stack.ask('GET', path), await answer.text()];
  if (ours !== its) throw new Error(`the bare server answers\n${its}\nand the API answers\n${ours}`);
}

/** Uses one API, which checks prompts against the catalogue of an instance. */
function comfyuiBesideOwn(all: Scope, options: RatioOptions): Promise<Ratio> {
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

/** The measurements of a server under full load. */
export interface Load {
  readonly perSecond: number;
  readonly ms: readonly number[];
  /** CPU time of the server per request; undefined on systems other than Linux. */
  readonly cpuMs: number | undefined;
}

export interface Round {
  readonly service: Load;
  readonly beside: Load;
}

/** Two kinds of requests, measured in turns. */
export interface Ratio {
  readonly what: string;
  readonly beside: string;
  readonly rounds: readonly Round[];
}

export interface RatioOptions {
  readonly core: string | undefined;
  readonly rounds: number;
  /** The length of each side's turn. */
  readonly seconds: number;
  readonly print: (text: string) => void;
}

/** Requests and the server that answers them. */
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

/** Measures two sides in turns, each first in every other round, so that a slower machine affects both alike. */
async function inTurns(
  scope: Scope,
  { service, beside, key }: { readonly service: Side; readonly beside: Side; readonly key: string },
  options: RatioOptions,
): Promise<Ratio> {
  options.print(`measuring ${service.what} beside ${beside.what}`);
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
  /** How many connections. Each sends its next request after the answer to the last one. */
  readonly connections: number;
  readonly seconds: number;
}

export interface FullLoadResult {
  readonly requests: number;
  readonly seconds: number;
  /** The duration of each request, in milliseconds. */
  readonly ms: readonly number[];
}

/** Sends as many requests as the server can answer. Throws unless all are answered with 2xx. */
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

/** Starts the bare server with the core and the Redis of an API. `answers` has jobs by id, and `made` for POST. */
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
 * The ratio of the CPU times of a request. On systems without CPU times it is the ratio of the rates, which Redis and
 * the load generator on the other core limit, too.
 */
function ratioOf({ service, beside }: Round): number {
  if (service.cpuMs === undefined || beside.cpuMs === undefined) return beside.perSecond / service.perSecond;
  return service.cpuMs / beside.cpuMs;
}

function ratioTable({ what, beside, rounds }: Ratio): string {
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

/** Uses the median of the rounds, because other load on the machine affects some of them. */
function ratioGoals(ratios: readonly Ratio[]): Goal[] {
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
