import type { ExecutionOutcome, Lod } from '@comfy-fleet/contracts';
import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';
import { inPages } from '../record/indexes.js';
import { readWorkers } from '../workers/presence.js';

/** One execution by one instance. Times are ms since 1970, by Redis' clock. */
export interface Execution {
  readonly from: number;
  /** Of one that goes on: now. */
  readonly till: number;
  readonly job: string;
  /** Null where it is not known (any more). */
  readonly workflow: string | null;
  readonly lod: Lod;
  readonly key: string;
  readonly outcome: ExecutionOutcome;
  /** How long of it models were loaded, as far as that was seen. */
  readonly loadingMs: number;
}

/** What timeline.lua says, in the words of its readers. */
const OUTCOMES: Readonly<Record<string, ExecutionOutcome>> = {
  succeeded: 'completed',
  failed: 'failed',
  canceled: 'canceled',
};

/** A line of timeline.lua. */
function parseExecution(line: string): Execution {
  const [from, till, loadingMs, outcome = '', lod, key = '', job = '', ...workflow] = line.split(' ');
  return {
    from: Number(from),
    till: Number(till),
    job,
    workflow: workflow.join(' ') || null,
    lod: lod as Lod,
    key,
    outcome: OUTCOMES[outcome] ?? 'stopped',
    loadingMs: Number(loadingMs),
  };
}

export interface InstanceTimeline {
  readonly instance: string;
  /** By their beginning, none into another. */
  readonly executions: readonly Execution[];
  /** There were more than are remembered. */
  readonly isCut: boolean;
}

export interface Timeline {
  readonly from: number;
  readonly till: number;
  /** How many instances there are. */
  readonly size: number;
  /** By name, a page at a time: of many instances it is more than is to be in memory at once. */
  readonly pages: AsyncIterable<readonly InstanceTimeline[]>;
}

export interface TimelineQuery {
  readonly minutes: number;
  /** Of each instance. */
  readonly most: number;
}

/** Instances whose executions are read at a time: what is made of full lists takes 10 ms or so. */
const PAGE = 5;

export async function readTimeline(redis: Redis, keys: Keys, { minutes, most }: TimelineQuery): Promise<Timeline> {
  const till = await redisTime(redis);
  const from = till - minutes * 60_000;
  const [past, workers, running] = await Promise.all([
    redis.zrangebyscore(keys.timelines, from, '+inf'),
    readWorkers(redis, keys),
    readRunning(redis, keys, till),
  ]);
  const present = workers.flatMap(({ instances }) => instances.map(({ name }) => name));
  const names = [...new Set([...past, ...present, ...running.map(({ instance }) => instance)])].sort();
  const read = async (page: readonly string[]) => {
    const pasts = await Promise.all(page.map((name) => readPast(redis, keys.timeline(name), from, most)));
    return page.map((name, index) => assemble(name, { past: pasts[index] ?? [], running, from, most }));
  };
  const pages = async function* () {
    for (const page of inPages(names, PAGE)) yield await orUnavailable(() => read(page));
  };
  return { from, till, size: names.length, pages: pages() };
}

/**
 * Takes those off the list whose executions were all more than an hour ago: instances come and go under random names.
 */
export async function forgetInstances(redis: Redis, keys: Keys, now: number): Promise<void> {
  await redis.zremrangebyscore(keys.timelines, 0, now - LUA_CONSTANTS.HOUR_MS);
}

/** Lines of a list that are read at a time: who asks for the last minute needs few. */
const STEP = 60;

/** What was over after `from`, the newest first, and what is in the same step; `most` of them at most. */
async function readPast(redis: Redis, list: string, from: number, most: number): Promise<Execution[]> {
  // What is added meanwhile moves the others on, and one is read twice.
  const past = new Map<string, Execution>();
  for (let start = 0; start < most; start += STEP) {
    const lines = await redis.lrange(list, start, Math.min(start + STEP, most) - 1);
    for (const line of lines) past.set(line, parseExecution(line));
    const oldest = past.get(lines.at(-1) ?? '');
    if (lines.length < STEP || oldest === undefined || oldest.till <= from) break;
  }
  return [...past.values()];
}

interface Found {
  /** The newest first. */
  readonly past: readonly Execution[];
  readonly running: readonly RunningExecution[];
  readonly from: number;
  readonly most: number;
}

function assemble(instance: string, { past, running, from, most }: Found): InstanceTimeline {
  // One that ended between the two reads is in both.
  const isOver = (one: Execution) => past.some(({ job, till }) => job === one.job && till > one.from);
  const now = running
    .filter((one) => one.instance === instance && !isOver(one))
    .map(({ instance: _, ...execution }) => execution);
  const executions = [...past, ...now].sort((a, b) => a.from - b.from);
  const first = executions[0]?.from ?? from;
  return {
    instance,
    executions: apart(executions)
      .filter(({ till }) => till > from)
      .map((execution) => (execution.from >= from ? execution : { ...execution, from })),
    isCut: past.length >= most && first > from,
  };
}

/** An instance executes one after the other: where two meet, what tells when one ended is later than it was. */
function apart(executions: readonly Execution[]): Execution[] {
  return executions.map((execution, index) => {
    const next = executions[index + 1];
    return next === undefined || execution.till <= next.from ? execution : { ...execution, till: next.from };
  });
}

export interface RunningExecution extends Execution {
  readonly instance: string;
}

/** Jobs of a pool that are executing: some thousand GPUs. */
const MOST_RUNNING = 2000;

/** What goes on, up to now; also what has been executed and is being stored, since nobody noted when that ended. */
async function readRunning(redis: Redis, keys: Keys, now: number): Promise<RunningExecution[]> {
  const pools = await redis.smembers(keys.pools);
  return (await Promise.all(pools.map((pool) => readPool(redis, keys, pool, now)))).flat();
}

async function readPool(redis: Redis, keys: Keys, pool: string, now: number): Promise<RunningExecution[]> {
  const ids = await redis.srandmember(keys.running(pool), MOST_RUNNING);
  const records = await Promise.all(
    ids.map((id) => redis.hmget(keys.job(id), 'instance', 'started_at', 'signature', 'key', 'workflow')),
  );
  return ids.flatMap((job, index) => {
    const [instance, startedAt, signature, key, workflow] = records[index] ?? [];
    if (!instance || !startedAt || !signature || !key) return [];
    const lod = signature.slice(0, signature.indexOf('|')) as Lod;
    const from = Math.min(now, Number(startedAt));
    return [{ instance, from, till: now, job, workflow: workflow ?? null, lod, key, outcome: 'running', loadingMs: 0 }];
  });
}
