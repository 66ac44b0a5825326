import { LODS, type Lod, TERMINAL_STATUSES, type TerminalStatus } from '@comfy-fleet/contracts';
import { redisTime } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { FleetFigures } from '../figures/figures.js';
import type { Keys } from '../keys.js';
import { instancesAtWork } from '../workers/presence.js';

/** A sample, and how many jobs ended since the previous one. */
export interface Step extends Omit<Sample, 'ended'> {
  readonly succeeded: number;
  readonly failed: number;
  readonly canceled: number;
}

const HOUR_MS = 3_600_000;

/** All samples, the newest first. */
export async function readSamples(redis: Redis, keys: Keys): Promise<Sample[]> {
  return (await redis.lrange(keys.history, 0, -1)).map((text) => JSON.parse(text) as Sample);
}

/** Stores a sample. The list holds an hour of samples, and the one before. */
export async function storeSample(redis: Redis, keys: Keys, sample: Sample, stepSeconds: number): Promise<void> {
  const most = Math.ceil(HOUR_MS / 1000 / stepSeconds) + 1;
  await redis
    .pipeline()
    .lpush(keys.history, JSON.stringify(sample))
    .ltrim(keys.history, 0, most - 1)
    .pexpire(keys.history, HOUR_MS)
    .exec();
}

/** The steps within the last minutes, the oldest first. */
export async function readHistory(redis: Redis, keys: Keys, minutes: number): Promise<Step[]> {
  const [now, samples] = await Promise.all([redisTime(redis), readSamples(redis, keys)]);
  return samples
    .map((sample, index) => stepOf(samples[index + 1] ?? sample, sample))
    .filter(({ at }) => at > now - minutes * 60_000)
    .reverse();
}

function stepOf(before: Sample, sample: Sample): Step {
  const { ended: _, ...rest } = sample;
  const count = (status: 'succeeded' | 'failed' | 'canceled') => endedBetween(before, sample, status);
  return { ...rest, succeeded: count('succeeded'), failed: count('failed'), canceled: count('canceled') };
}

/** The state of the fleet at one moment. */
export interface Sample {
  /** ms since 1970, by Redis' clock. */
  readonly at: number;
  /** Jobs that have not begun. */
  readonly waiting: number;
  readonly running: number;
  /** Instances that get work. */
  readonly instancesUp: number;
  /** Jobs that have ever ended. */
  readonly ended: Readonly<Record<Lod, Ended>>;
  /** GPU seconds per step by key, on average over the minute before: the largest ones, and the rest as `other`. */
  readonly gpuSeconds: Readonly<Record<string, number>>;
}

type Ended = Readonly<Record<TerminalStatus, number>>;

/** Maximum number of keys that are named in a sample. */
const MOST_KEYS = 8;
const REST = 'other';

/** The sample for the figures of that moment. */
export function sampleOf(figures: FleetFigures, at: number, stepSeconds: number): Sample {
  const counts = figures.pools.flatMap(({ lods }) => lods);
  return {
    at,
    waiting: sum(counts.map(({ waiting, claimed, parked }) => waiting + claimed + parked)),
    running: sum(counts.map(({ running }) => running)),
    instancesUp: instancesAtWork(figures.workers, figures.halts).length,
    ended: Object.fromEntries(LODS.map((lod) => [lod, endedOf(figures, lod)])) as Record<Lod, Ended>,
    gpuSeconds: gpuSecondsOf(figures, stepSeconds),
  };
}

function endedOf({ totals }: FleetFigures, lod: Lod): Ended {
  const count = (status: TerminalStatus) =>
    sum(totals.filter((one) => one.lod === lod && one.outcome === status).map((one) => one.count));
  return Object.fromEntries(TERMINAL_STATUSES.map((status) => [status, count(status)])) as Ended;
}

function gpuSecondsOf({ shares }: FleetFigures, stepSeconds: number): Record<string, number> {
  const sorted = shares
    .map(({ key, gpuMsMinute }) => [key, (gpuMsMinute / 60_000) * stepSeconds] as const)
    .filter(([, seconds]) => seconds > 0)
    .sort(([, a], [, b]) => b - a);
  const rest = sorted.slice(MOST_KEYS).map(([, seconds]) => [REST, seconds] as const);
  const all: Record<string, number> = {};
  for (const [key, seconds] of [...sorted.slice(0, MOST_KEYS), ...rest]) all[key] = (all[key] ?? 0) + seconds;
  return Object.fromEntries(Object.entries(all).map(([key, seconds]) => [key, Math.round(seconds * 10) / 10]));
}

/**
 * How many jobs ended with this status between two samples. Never negative, although Redis may forget some in a
 * failover.
 */
export function endedBetween(before: Sample, after: Sample, status: TerminalStatus, lods: readonly Lod[] = LODS) {
  return sum(lods.map((lod) => Math.max(0, after.ended[lod][status] - before.ended[lod][status])));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
