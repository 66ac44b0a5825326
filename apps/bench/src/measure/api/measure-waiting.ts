import { redisMemory } from '../../lib/redis-info.js';
import type { Scope } from '../../lib/scope.js';
import { type ApiStack, startApiStack } from './api-stack.js';
import { job } from './bodies.js';
import { cancelAll, fill } from './fill.js';
import { type Answer, steadyLoad } from './steady-load.js';

/** Of the API with an empty queue, and of one with a long one, turn by turn. */
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
  /** Of each queue, for reading and for making jobs. */
  readonly turns: number;
  readonly onProgress: (text: string) => void;
}

/** Far from what the API can do: it is to be the queue that makes a request slow, not the requests before it. */
export const STEADY_PER_SECOND = 200;
const TURN_SECONDS = 2;
/** Jobs to read, of each queue. */
const KNOWN = 100;

/**
 * Two APIs, each with its own Redis, one with nothing in its queue and one with very much: both get the same steady load
 * at the same time, so that a machine that stands still does so for both.
 */
export function measureWaiting(all: Scope, { core, jobs, turns, onProgress }: WaitingOptions): Promise<Waiting> {
  return all.inner(async (scope) => {
    const [empty, full] = [await startApiStack(scope, { core }), await startApiStack(scope, { core })];
    for (const stack of [empty, full]) await stack.ask('POST', '/generate', job(0));
    const before = await redisMemory(full.redisUrl);
    onProgress(`a queue of ${jobs} jobs`);
    const began = performance.now();
    const ids = await fill(full, jobs);
    const fillSeconds = (performance.now() - began) / 1000;
    const bytesPerJob = ((await redisMemory(full.redisUrl)) - before) / jobs;
    // an empty queue has jobs to read too: ended ones
    const ended = await fill(empty, KNOWN);
    await cancelAll(empty, ended);
    onProgress('answers with a long and with an empty queue');
    const pair = { empty: { stack: empty, ids: ended }, full: { stack: full, ids: ids.slice(-KNOWN) } };
    const latencies = [await inTurns(READING, pair, turns), await inTurns(MAKING, pair, turns)];
    return { jobs, fillSeconds, bytesPerJob, latencies };
  });
}

interface Side {
  readonly stack: ApiStack;
  readonly ids: readonly string[];
}

interface Asking {
  readonly what: string;
  ask(side: Side): Promise<readonly Answer[]>;
  /** Leaves the queue as long as it was. */
  tidy(side: Side, answers: readonly Answer[]): Promise<void>;
}

async function inTurns(
  { what, ask, tidy }: Asking,
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

const READING: Asking = {
  what: 'GET /jobs/:id',
  ask: ({ stack, ids }) => {
    const ask = (index: number) => ({ method: 'GET', path: `/jobs/${ids[index % ids.length]}` });
    return steadyLoad({ ...steady, url: stack.url, headers: headersOf(stack), ask });
  },
  tidy: async () => {},
};

const MAKING: Asking = {
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
