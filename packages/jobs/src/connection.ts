import { FleetError } from '@comfy-fleet/contracts';
import { defineScripts, runScript as runAny } from '@comfy-fleet/redis';
import type { Redis } from 'ioredis';
import type { Keys } from './keys.js';
import { loadScripts, type ScriptName } from './scripts.js';

/** Makes our scripts known to a connection. Connections that subscribe or block do not need them. */
export function withScripts(redis: Redis): Redis {
  defineScripts(redis, loadScripts());
  return redis;
}

/** The arguments that a script gets as `args`; undefined becomes nil. */
export type NamedArguments = Readonly<Record<string, unknown>>;

/** Runs a script on a connection that knows it. The script gets `list`, of any length, from `ARGV[3]` on. */
export function runScript(
  redis: Redis,
  name: ScriptName,
  key: string,
  prefix: string,
  named: NamedArguments = {},
  list: readonly (string | number)[] = [],
): Promise<unknown> {
  return runAny(redis, name, key, [prefix, JSON.stringify(named, wellFormed), ...list]);
}

/** A command of Redis with its arguments. */
type Command = readonly (string | number)[];

/**
 * Runs commands all at once if these values are still as they were read; null if there was none. Returns false, and runs
 * nothing, if one has changed.
 */
export async function commit(
  redis: Redis,
  { prefix, schema }: Keys,
  given: readonly (readonly [read: Command, value: string | null])[],
  commands: readonly Command[],
): Promise<boolean> {
  // Lua would write large numbers with an exponent.
  const args = {
    given: given.map(([read, value]) => [read, value ?? '']),
    commands: commands.map((one) => one.map(String)),
  };
  return (await runScript(redis, 'commit', schema, prefix, args)) === 1;
}

/** For JSON.stringify: Lua cannot parse JSON with half of a surrogate pair. */
export function wellFormed(_name: string, value: unknown): unknown {
  return typeof value === 'string' ? value.toWellFormed() : value;
}

const NOTHING_LOST = 'The job queue cannot be reached at the moment. Nothing was lost; try again shortly.';
const NO_MEMORY =
  "The job queue's memory is full, so it accepts nothing new. Its operator can raise Redis' maxmemory, or keep ended jobs for less time (JOB_TTL_SECONDS, KEY_JOBS_KEPT).";

/** Turns any error of Redis or its client into `queue_unavailable`, the only such error that callers may see. */
export async function orUnavailable<T>(action: () => Promise<T>, detail = NOTHING_LOST): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof FleetError) throw cause;
    const isFull = cause instanceof Error && cause.message.includes('OOM command not allowed');
    throw new FleetError('queue_unavailable', isFull ? NO_MEMORY : detail, { retryAfterSeconds: 1, cause });
  }
}
