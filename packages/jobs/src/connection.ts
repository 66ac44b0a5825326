import { FleetError } from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';
import { Redis, type RedisOptions } from 'ioredis';
import { joinWrites } from './join-writes.js';
import { SCRIPTS } from './scripts/index.js';

/** BullMQ's own default waits up to 20 s between tries; a fleet is to be back at once when its Redis is. */
const MAX_RECONNECT_DELAY_MS = 500;

const shared = {
  retryStrategy: (tries: number) => Math.min(50 * 2 ** Math.min(tries, 8), MAX_RECONNECT_DELAY_MS),
  // While Redis reads its file: ioredis would believe its estimate of how long that takes, up to 10 s.
  maxLoadingRetryTime: 200,
  // After a failover the old primary answers READONLY: look for the new one, and ask that (2).
  reconnectOnError: (error: Error) => (error.message.startsWith('READONLY') ? 2 : false),
  // Subscriptions does it itself, to know when it is done.
  autoResubscribe: false,
} satisfies RedisOptions;

/** For a process that answers callers: a missing or hanging Redis is an error within `timeoutMs`. */
export function producerConnection(url: string, timeoutMs: number, log: Logger): Redis {
  const options = {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: timeoutMs,
    connectTimeout: timeoutMs,
  };
  return watched(new Redis(url, { ...shared, ...options }), log);
}

/**
 * For a process that has work in hand: commands wait until Redis is back, and those of one turn of the event loop leave
 * together. (Those that answer callers join their questions before, by kind, and would wait for nothing here.)
 */
export function workerConnection(url: string, log: Logger): Redis {
  const redis = watched(new Redis(url, { ...shared, maxRetriesPerRequest: null }), log);
  redis.on('connect', () => joinWrites(redis.stream));
  return redis;
}

/** Says once that Redis is gone and once that it is back, instead of once per try. */
function watched(redis: Redis, log: Logger): Redis {
  let lost = false;
  redis.on('error', (error: Error) => {
    if (!lost) log.warn('redis connection lost', { error });
    lost = true;
  });
  redis.on('ready', () => {
    if (lost) log.info('redis connection is back');
    lost = false;
  });
  for (const [name, lua] of Object.entries(SCRIPTS)) redis.defineCommand(`fleet:${name}`, { numberOfKeys: 1, lua });
  return redis;
}

/** Runs one transition script; ioredis sends its hash, and its text only to a Redis that does not know it yet. */
export function runScript(
  redis: Redis,
  name: keyof typeof SCRIPTS,
  key: string,
  args: readonly (string | number)[],
): Promise<unknown> {
  const commands = redis as unknown as Record<string, (...args: (string | number)[]) => Promise<unknown>>;
  const command = commands[`fleet:${name}`];
  if (command === undefined) throw new Error(`script ${name} was not defined on this connection`);
  return command.call(redis, key, ...args);
}

/** Resolves when the connection stands; rejects with the signal's reason when that comes first. */
export async function untilReady(redis: Redis, signal: AbortSignal): Promise<void> {
  while (redis.status !== 'ready') {
    signal.throwIfAborted();
    await new Promise<void>((resolve) => {
      const done = () => {
        redis.off('ready', done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      redis.once('ready', done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}

const NOTHING_LOST = 'The job queue cannot be reached at the moment. Nothing was lost; try again shortly.';

/** Turns whatever Redis or its client throws into the one error that callers may see. */
export async function orUnavailable<T>(action: () => Promise<T>, detail = NOTHING_LOST): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof FleetError) throw cause;
    throw new FleetError('queue_unavailable', detail, { retryAfterSeconds: 1, cause });
  }
}
