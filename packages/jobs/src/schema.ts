import { setTimeout as delay } from 'node:timers/promises';
import type { RedisSettings } from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';
import { workerConnection } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import { createKeys, type Keys } from './keys.js';

/**
 * What changes the data of schema 1 into that of schema 2, then of 2 into 3, and so on. Add one here when an older process
 * could not work with what a newer one writes. Processes that start together may run one twice and at once.
 */
const MIGRATIONS: readonly ((redis: Redis, keys: Keys) => Promise<void>)[] = [];

/** How long a process waits for Redis at its start before it goes on without. */
const FIRST_ANSWER_MS = 3000;
const ERROR_PAUSE_MS = 1000;

/**
 * Makes sure that the data in Redis has the schema of this version, and migrates older data. Resolves when that is known,
 * or after 3 seconds while Redis is away. `onMismatch` is called if the data is newer, then or later: the process has to
 * exit before it writes anything.
 */
export async function checkSchema(
  settings: RedisSettings,
  { onMismatch, log }: { readonly onMismatch: (error: FleetError) => void; readonly log: Logger },
): Promise<void> {
  const redis = workerConnection(settings, log);
  const check = async (): Promise<void> => {
    for (;;) {
      try {
        const error = await migrate(redis, createKeys(settings.prefix), MIGRATIONS);
        return error && onMismatch(error);
      } catch (error) {
        log.warn('the schema of the data in Redis could not be checked; trying again', { error });
        await delay(ERROR_PAUSE_MS);
      }
    }
  };
  const checked = check().finally(() => redis.disconnect());
  await Promise.race([checked, delay(FIRST_ANSWER_MS, undefined, { ref: false })]);
}

/** Runs what is missing. Resolves to an error, with nothing changed, if the data is of a newer schema. */
export async function migrate(
  redis: Redis,
  keys: Keys,
  migrations: typeof MIGRATIONS,
): Promise<FleetError | undefined> {
  const current = migrations.length + 1;
  await redis.set(keys.schema, current, 'NX');
  const found = Number(await redis.get(keys.schema));
  if (found > current) {
    const detail = `The data in Redis has schema ${found}, and this version reads schema ${current}: start the version that wrote it, or a newer one.`;
    return new FleetError('queue_unavailable', detail);
  }
  for (const migration of migrations.slice(found - 1)) await migration(redis, keys);
  if (found < current) await redis.set(keys.schema, current);
  return undefined;
}
