import type { RedisSettings } from '@comfy-fleet/config';
import type { Logger } from '@comfy-fleet/telemetry';
import { Redis, type RedisOptions } from 'ioredis';
import { batchWrites } from './batching.js';
import { reconnectDelay, redisEndpoint } from './endpoint.js';

/** Prefix that distinguishes our scripts from Redis' own commands. */
const COMMAND = 'fleet:';

/** The scripts that were defined on each connection, by name. */
const scriptsOf = new WeakMap<Redis, Readonly<Record<string, string>>>();

/** Makes Lua scripts, each with one key, known to a connection, under the names by which `runScript` calls them. */
export function defineScripts(redis: Redis, scripts: Readonly<Record<string, string>>): void {
  scriptsOf.set(redis, scripts);
}

/** Runs one of the connection's scripts. ioredis sends its hash, and its text only if Redis does not know the hash. */
export function runScript(
  redis: Redis,
  name: string,
  key: string,
  args: readonly (string | number)[],
): Promise<unknown> {
  // Defined on first use: a connection runs only some scripts, and each of its pipelines copies all that are defined.
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

/** A connection that leaves a command unanswered for this long is dead. Our blocking commands block for less. */
const DEAD_AFTER_MS = 15_000;
/**
 * A connection without blocking commands is dead if it leaves a command unanswered for the command timeout plus this.
 */
const DEAD_EXTRA_MS = 5000;
const CONNECT_TIMEOUT_MS = 3000;

/**
 * Errors by which a server says that it is not, or no longer, the primary of our keys, or cannot serve them yet. The
 * command was not executed and must be sent to the primary.
 */
const NOT_PRIMARY = /^(READONLY|MOVED|MASTERDOWN|CLUSTERDOWN|LOADING|UNBLOCKED) /;

/** A connection for a process that answers callers: if Redis is away or hangs, commands fail within `timeoutMs`. */
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

/** The message with which ioredis rejects a command that got no answer within `commandTimeout`. */
const TIMED_OUT = 'Command timed out';

/**
 * Sends a command a second time if its answer did not arrive in time, as happens under load while the answer waits in
 * our own socket. The command may be executed twice, so it must be safe to repeat.
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
 * A connection for a process with jobs in progress: commands wait until Redis is back, and the commands of one turn of
 * the event loop are sent in one write. (Producers batch their queries by kind instead, so a delayed write would gain
 * them nothing.)
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
    // While Redis loads its data, ioredis would otherwise wait as long as Redis estimates, up to 10 s.
    maxLoadingRetryTime: 200,
    // 2: reconnect, which finds the new primary, and send the command again.
    reconnectOnError: (error: Error) => {
      if (!NOT_PRIMARY.test(error.message)) return false;
      log.debug('this Redis is not the primary; looking for it', { error });
      return 2;
    },
    // How long to wait for the server to close the connection before closing it ourselves.
    disconnectTimeout: 200,
    // createSubscriptions resubscribes itself, so that it knows when the subscriptions stand.
    autoResubscribe: false,
  };
  return withLogging(new Redis({ ...options, replyMapping: 'legacy' }), log);
}

/** Logs once that Redis is gone and once that it is back, instead of once per try. */
function withLogging(redis: Redis, log: Logger): Redis {
  let lost = false;
  // Each refused command disconnects once more and adds a listener for the end.
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

/** Resolves when the connection is ready; rejects with the signal's reason if the signal aborts first. */
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
