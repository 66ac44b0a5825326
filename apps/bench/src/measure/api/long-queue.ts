import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { type Goal, median, p, percentile, table } from '../../lib/report.js';
import { redisMemory } from '../../lib/resource-usage.js';
import type { Scope } from '../../lib/scope.js';
import { type ApiStack, startApiStack } from './api-stack.js';
import { cancelAll, fill, job } from './jobs.js';

/** The latencies of an API with an empty queue and of one with a long queue. */
export interface Latencies {
  readonly what: string;
  readonly turns: readonly Turn[];
}

/** In milliseconds. */
export interface Turn {
  readonly empty: readonly number[];
  readonly full: readonly number[];
}

export interface Waiting {
  /** Jobs in the long queue. */
  readonly jobs: number;
  readonly fillSeconds: number;
  readonly bytesPerJob: number;
  readonly latencies: readonly Latencies[];
}

export interface WaitingOptions {
  readonly core: string | undefined;
  readonly jobs: number;
  /** How often reading and creating jobs are measured. */
  readonly turns: number;
  readonly print: (text: string) => void;
}

/** Far below what the API can do, so that only the queue can slow requests down. */
const STEADY_PER_SECOND = 200;
const TURN_SECONDS = 2;
/** How many different jobs are read. */
const KNOWN = 100;

/**
 * Measures two APIs, each with its own Redis, one with an empty queue and one with a long queue. Both get the same
 * steady load at the same time, so that pauses of the machine affect both alike.
 */
export async function measureLongQueue(scope: Scope, options: WaitingOptions): Promise<Goal[]> {
  const waiting = await measure(scope, options);
  options.print(waitingTable(waiting));
  return waitingGoals(waiting);
}

function measure(all: Scope, { core, jobs, turns, print }: WaitingOptions): Promise<Waiting> {
  return all.inner(async (scope) => {
    const [empty, full] = [await startApiStack(scope, { core }), await startApiStack(scope, { core })];
    await empty.ask('POST', '/generate', job(0));
    await fill(full, 1000); // with the first jobs, the memory of Lua and of connections grows as well
    const before = await redisMemory(full.redisUrl);
    print(`measuring a queue of ${jobs} jobs`);
    const began = performance.now();
    const ids = await fill(full, jobs);
    const fillSeconds = (performance.now() - began) / 1000;
    const bytesPerJob = ((await redisMemory(full.redisUrl)) - before) / jobs;
    // With an empty queue, ended jobs are read.
    const ended = await fill(empty, KNOWN);
    await cancelAll(empty, ended);
    print('measuring answers with a long and with an empty queue');
    const pair = { empty: { stack: empty, ids: ended }, full: { stack: full, ids: ids.slice(-KNOWN) } };
    const latencies = [await inTurns(READING, pair, turns), await inTurns(CREATING, pair, turns)];
    return { jobs, fillSeconds, bytesPerJob, latencies };
  });
}

interface Side {
  readonly stack: ApiStack;
  readonly ids: readonly string[];
}

interface Kind {
  readonly what: string;
  ask(side: Side): Promise<readonly Answer[]>;
  /** Restores the length of the queue. */
  tidy(side: Side, answers: readonly Answer[]): Promise<void>;
}

async function inTurns(
  { what, ask, tidy }: Kind,
  { empty, full }: { readonly empty: Side; readonly full: Side },
  count: number,
): Promise<Latencies> {
  const turn = async (): Promise<Turn> => {
    const [ofEmpty, ofFull] = await Promise.all([ask(empty), ask(full)]);
    await tidy(empty, ofEmpty);
    await tidy(full, ofFull);
    return { empty: ofEmpty.map(({ ms }) => ms), full: ofFull.map(({ ms }) => ms) };
  };
  await turn();
  const turns: Turn[] = [];
  while (turns.length < count) turns.push(await turn());
  return { what, turns };
}

const steady = { perSecond: STEADY_PER_SECOND, seconds: TURN_SECONDS };
const headersOf = ({ key }: ApiStack) => ({ authorization: `Bearer ${key}`, 'content-type': 'application/json' });

const READING: Kind = {
  what: 'GET /jobs/:id',
  ask: ({ stack, ids }) => {
    const ask = (index: number) => ({ method: 'GET', path: `/jobs/${ids[index % ids.length]}` });
    return steadyLoad({ ...steady, url: stack.url, headers: headersOf(stack), ask });
  },
  tidy: async () => {},
};

const CREATING: Kind = {
  what: 'POST /generate',
  ask: ({ stack }) => {
    const ask = (index: number) => ({ method: 'POST', path: '/generate', body: JSON.stringify(job(index)) });
    return steadyLoad({ ...steady, url: stack.url, headers: headersOf(stack), ask });
  },
  tidy: ({ stack }, answers) =>
    cancelAll(
      stack,
      answers.map(({ body }) => (JSON.parse(body) as { id: string }).id),
    ),
};

export interface SteadyLoad {
  readonly url: string;
  readonly perSecond: number;
  readonly seconds: number;
  readonly ask: (index: number) => {
    readonly method: string;
    readonly path: string;
    readonly body?: string;
  };
  readonly headers: Readonly<Record<string, string>>;
}

export interface Answer {
  /** Milliseconds since the request was due, including the time that it waited for earlier ones. */
  readonly ms: number;
  readonly body: string;
}

/** Limits the connections, because a slow API would otherwise have to accept new ones as well. */
const MOST_SOCKETS = 64;
const TIMEOUT_MS = 30_000;

/**
 * Sends requests at a fixed average rate and at random times, like many independent callers, whether or not earlier
 * ones have been answered. Throws unless all are answered with 200 or 202.
 */
async function steadyLoad({ url, perSecond, seconds, ask, headers }: SteadyLoad): Promise<Answer[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: MOST_SOCKETS });
  const answers: Promise<Answer>[] = [];
  const began = performance.now();
  try {
    for (const [index, offset] of dueTimes(perSecond, seconds, Math.random).entries()) {
      const due = began + offset;
      while (performance.now() < due) await delay(due - performance.now());
      const answer = once(agent, url, { ...ask(index), headers, due });
      answer.catch(() => {}); // until all are waited for
      answers.push(answer);
    }
    return await Promise.all(answers);
  } finally {
    agent.destroy();
  }
}

/** The times at which requests are due, in ms from the beginning: a Poisson process. */
export function dueTimes(perSecond: number, seconds: number, random: () => number): number[] {
  const times: number[] = [];
  for (let at = 0; ; times.push(at)) {
    at -= (Math.log(1 - random()) * 1000) / perSecond;
    if (at >= seconds * 1000) return times;
  }
}

interface Once {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly due: number;
}

function once(agent: Agent, url: string, { method, path, body, headers, due }: Once): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': `${Buffer.byteLength(body)}` };
    const options = { agent, method, headers: { ...headers, ...length }, signal: AbortSignal.timeout(TIMEOUT_MS) };
    const sent = request(`${url}${path}`, options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('error', reject);
      response.once('end', () => {
        const { statusCode } = response;
        if (statusCode === 200 || statusCode === 202) resolve({ ms: performance.now() - due, body: text });
        else reject(new Error(`${method} ${path}: ${statusCode} ${text}`));
      });
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

const slowdown = ({ empty, full }: Turn) => percentile(full, 99) / percentile(empty, 99);

/**
 * Uses the median of the turns, because a pause of 50 ms delays ten of a turn's 400 requests and so decides its p99.
 */
const slowdownOf = ({ turns }: Latencies) => median(turns.map(slowdown));

function waitingTable({ jobs, fillSeconds, latencies }: Waiting): string {
  const cells = latencies.map((measured) => {
    const { what, turns } = measured;
    const [empty, full] = [turns.flatMap((turn) => turn.empty), turns.flatMap((turn) => turn.full)];
    const ratios = turns.map(slowdown);
    return [
      what,
      `${empty.length}`,
      ...[50, 99].flatMap((share) => [p(empty, share), p(full, share)]),
      slowdownOf(measured).toFixed(3),
      `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`,
    ];
  });
  const speed = (jobs / fillSeconds).toFixed(0);
  return table(
    `${STEADY_PER_SECOND} requests a second, in ms, with an empty queue and with ${jobs} jobs in it (accepted at ${speed} a second)`,
    ['', 'of each', 'p50 empty', 'p50 full', 'p99 empty', 'p99 full', 'p99 ÷ p99, median turn', 'all turns'],
    cells,
  );
}

function waitingGoals({ jobs, bytesPerJob, latencies }: Waiting): Goal[] {
  const slower = latencies.map((measured): Goal => {
    const what = `${measured.what}: p99 with ${jobs} waiting ÷ none`;
    return { what, value: slowdownOf(measured), unit: '', bound: 'at most', limit: 1.3 };
  });
  const bytes = {
    what: 'Redis for a waiting job',
    value: bytesPerJob,
    unit: 'bytes',
    bound: 'at most',
    limit: 3000,
  } as const;
  return [...slower, bytes];
}
