import type { RedisSettings } from '@comfy-fleet/config';
import type { Logger } from '@comfy-fleet/telemetry';
import { Redis, type RedisOptions } from 'ioredis';
import { batchWrites } from './batching.js';
import { reconnectDelay, redisEndpoint } from './endpoint.js';

/** Sets our scripts apart from Redis' own commands. */
const COMMAND = 'fleet:';

/** What each connection may run. */
const scriptsOf = new WeakMap<Redis, Readonly<Record<string, string>>>();

/** Lets a connection run Lua of one key each, by the name under which `runScript` knows it. */
export function defineScripts(redis: Redis, scripts: Readonly<Record<string, string>>): void {
  scriptsOf.set(redis, scripts);
}

/** Runs one of the connection's scripts; ioredis sends its hash, and its text only to a Redis that does not know it yet. */
export function runScript(
  redis: Redis,
  name: string,
  key: string,
  args: readonly (string | number)[],
): Promise<unknown> {
  // When it is first run: a connection runs few of all scripts, and each pipeline of it takes a copy of those that it has.
  const command = commandOf(redis, name) ?? define(redis, name);
  return command.call(redis, key, ...args);
}

type Command = (...args: (string | number)[]) => Promise<unknown>;

function commandOf(redis: Redis, name: string): Command | undefined {
  return (redis as unknown as Record<string, Command | undefined>)[COMMAND + name];
}

function define(redis: Redis, name: string): Command {
  const lua = scriptsOf.get(redis)?.[name];
  if (lua === undefined) throw new Error(`script ${name} was not defined on this connection`);
  redis.defineCommand(COMMAND + name, { numberOfKeys: 1, lua });
  return commandOf(redis, name) as Command;
}

/** Longer than any command of ours blocks; one that has no answer for so long was sent to nobody. */
const DEAD_AFTER_MS = 15_000;
/** For a connection over which nothing blocks, besides its longest wait for an answer. */
const DEAD_EXTRA_MS = 5000;
const CONNECT_TIMEOUT_MS = 3000;

/**
 * What begins like this says that this server is not the primary of our keys (any more), or not yet able to serve them:
 * the command was not carried out, and is to be asked of whoever is.
 */
const NOT_PRIMARY = /^(READONLY|MOVED|MASTERDOWN|CLUSTERDOWN|LOADING|UNBLOCKED) /;

/** For a process that answers callers: a missing or hanging Redis is an error within `timeoutMs`. */
export function producerConnection(settings: RedisSettings, log: Logger): Redis {
  const { timeoutMs } = settings;
  return open(settings, log, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: timeoutMs,
    connectTimeout: timeoutMs,
    socketTimeout: timeoutMs + DEAD_EXTRA_MS,
  });
}

/** ioredis rejects with this message what had no answer within `commandTimeout`. */
const TIMED_OUT = 'Command timed out';

/**
 * Sends a command again, once, if its answer did not come in time. That happens under load when the answer waits in our own
 * socket. The command may be carried out twice, so it must be safe to repeat.
 */
export async function retryOnTimeout<T>(send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (error instanceof Error && error.message === TIMED_OUT) return send();
    throw error;
  }
}

/**
 * For a process that has work in hand: commands wait until Redis is back, and those of one turn of the event loop leave
 * together. (Those that answer callers join their questions before, by kind, and would wait for nothing here.)
 */
export function workerConnection(settings: RedisSettings, log: Logger): Redis {
  const redis = open(settings, log, {
    maxRetriesPerRequest: null,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: DEAD_AFTER_MS,
  });
  redis.on('connect', () => batchWrites(redis.stream));
  return redis;
}

function open(settings: RedisSettings, log: Logger, own: RedisOptions): Redis {
  const options: RedisOptions = {
    ...own,
    ...redisEndpoint(settings),
    retryStrategy: reconnectDelay,
    // While Redis reads its file: ioredis would believe its estimate of how long that takes, up to 10 s.
    maxLoadingRetryTime: 200,
    // Connect again, to the primary, and send the command there (2).
    reconnectOnError: (error: Error) => {
      if (!NOT_PRIMARY.test(error.message)) return false;
      log.debug('redis has its primary elsewhere; looking for it', { error });
      return 2;
    },
    // How long a server that does not hang up itself is waited for.
    disconnectTimeout: 200,
    // Subscriptions does it itself, to know when it is done.
    autoResubscribe: false,
  };
  return withLogging(new Redis({ ...options, replyMapping: 'legacy' }), log);
}

/** Says once that Redis is gone and once that it is back, instead of once per try. */
function withLogging(redis: Redis, log: Logger): Redis {
  let lost = false;
  // Each command that is refused hangs up once more, and listens for the end.
  redis.on('connect', () => redis.stream.setMaxListeners(0));
  redis.on('error', (error: Error) => {
    if (!lost) log.warn('redis connection lost', { error });
    lost = true;
  });
  redis.on('ready', () => {
    if (lost) log.info('redis connection is back');
    lost = false;
  });
  return redis;
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
