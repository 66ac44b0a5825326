import type { ExecutionOutcome, Lod } from '@comfy-fleet/contracts';
import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import { orUnavailable } from '../connection.js';
import type { Keys } from '../keys.js';
import { LUA_CONSTANTS } from '../lua/constants.js';
import { inPages } from '../record/indexes.js';
import { executing, readInWork } from '../record/jobs-in-work.js';
import { lodOf } from '../record/request-keys.js';
import { readSeen } from '../workers/abilities.js';
import { readWorkers } from '../workers/presence.js';

/** An execution of a job, or of the prompt before it that encoded texts ahead. Times are ms since 1970, by Redis' clock. */
export interface Execution {
  readonly from: number;
  /** For a running execution: now. */
  readonly till: number;
  readonly job: string;
  /** Null if it is not known, or no longer. */
  readonly workflow: string | null;
  readonly lod: Lod;
  readonly key: string;
  readonly outcome: ExecutionOutcome;
  /** How long models were loaded during it, as far as known. */
  readonly loadingMs: number;
}

/** Maps the outcomes in the scripts to those of the API. */
const OUTCOMES: Readonly<Record<string, ExecutionOutcome>> = {
  succeeded: 'completed',
  failed: 'failed',
  canceled: 'canceled',
  ahead: 'encoded',
};

/** Parses a line that `record_execution` in lua/shared/execution.lua wrote. */
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
  /** By start; they do not overlap. */
  readonly executions: readonly Execution[];
  /** There were more executions than are kept. */
  readonly isCut: boolean;
}

export interface Timeline {
  readonly from: number;
  readonly till: number;
  /** How many instances there are. */
  readonly size: number;
  /** By name, in pages, because the timelines of many instances do not fit into memory at once. */
  readonly pages: AsyncIterable<readonly InstanceTimeline[]>;
}

/** Instances per page: building a page of full lists takes about 10 ms. */
const PAGE = 5;

export async function readTimeline(redis: Redis, keys: Keys, minutes: number): Promise<Timeline> {
  const till = await redisTime(redis);
  const from = till - minutes * 60_000;
  const pools = await redis.smembers(keys.pools);
  const [seen, workers, running] = await Promise.all([
    Promise.all(pools.map((pool) => readSeen(redis, keys, pool))),
    readWorkers(redis, keys),
    readRunning(redis, keys, pools, till),
  ]);
  const past = seen.flat().flatMap(({ instance, seenAt }) => (seenAt > from ? [instance] : []));
  const present = workers.flatMap(({ instances }) => instances.map(({ name }) => name));
  const names = [...new Set([...past, ...present, ...running.map(({ instance }) => instance)])].sort();
  const read = async (page: readonly string[]) => {
    const pasts = await Promise.all(page.map((name) => readPast(redis, keys.timeline(name), from)));
    return page.map((name, index) => assemble(name, { past: pasts[index] ?? [], running, from }));
  };
  const pages = async function* () {
    for (const page of inPages(names, PAGE)) yield await orUnavailable(() => read(page));
  };
  return { from, till, size: names.length, pages: pages() };
}

/** Lines of a list that are read at a time; the last minute needs only a few. */
const STEP = 60;

/** Reads executions that ended after `from`, the newest first, and the rest of the same step. */
async function readPast(redis: Redis, list: string, from: number): Promise<Execution[]> {
  // New lines shift the others meanwhile, so a line may be read twice.
  const past = new Map<string, Execution>();
  for (let start = 0; ; start += STEP) {
    const lines = await redis.lrange(list, start, start + STEP - 1);
    for (const line of lines) past.set(line, parseExecution(line));
    const oldest = past.get(lines.at(-1) ?? '');
    if (lines.length < STEP || oldest === undefined || oldest.till <= from) return [...past.values()];
  }
}

interface Found {
  /** Ended executions, the newest first. */
  readonly past: readonly Execution[];
  readonly running: readonly RunningExecution[];
  readonly from: number;
}

function assemble(instance: string, { past, running, from }: Found): InstanceTimeline {
  // An execution that ended between the two reads is in both.
  const isOver = (one: Execution) =>
    past.some(({ job, till, outcome }) => job === one.job && outcome !== 'encoded' && till > one.from);
  const now = running
    .filter((one) => one.instance === instance && !isOver(one))
    .map(({ instance: _, ...execution }) => execution);
  const executions = [...past, ...now].sort((a, b) => a.from - b.from);
  const first = executions[0]?.from ?? from;
  return {
    instance,
    executions: withoutOverlap(executions)
      .filter(({ till }) => till > from)
      .map((execution) => (execution.from >= from ? execution : { ...execution, from })),
    isCut: past.length >= LUA_CONSTANTS.TIMELINE_ENTRIES && first > from,
  };
}

/**
 * Shortens executions that overlap the next one: an instance runs one at a time, and the end of an execution may be
 * recorded late.
 */
function withoutOverlap(executions: readonly Execution[]): Execution[] {
  return executions.map((execution, index) => {
    const next = executions[index + 1];
    return next === undefined || execution.till <= next.from ? execution : { ...execution, till: next.from };
  });
}

export interface RunningExecution extends Execution {
  readonly instance: string;
}

/**
 * Running executions, up to now. Includes jobs whose outputs are being stored, because the end of their execution is
 * not recorded yet.
 */
async function readRunning(
  redis: Redis,
  keys: Keys,
  pools: readonly string[],
  now: number,
): Promise<RunningExecution[]> {
  const jobs = await Promise.all(pools.map((pool) => readInWork(redis, keys, pool)));
  return executing(jobs.flat()).map(({ id: job, instance, startedAt, signature, key, workflow }) => {
    const from = Math.min(now, startedAt);
    return { instance, from, till: now, job, workflow, lod: lodOf(signature), key, outcome: 'running', loadingMs: 0 };
  });
}
