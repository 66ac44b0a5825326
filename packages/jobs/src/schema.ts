import { setTimeout as delay } from 'node:timers/promises';
import type { RedisSettings } from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';
import { workerConnection } from '@comfy-fleet/redis';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Redis } from 'ioredis';
import { createKeys, type Keys } from './keys.js';

/**
 * The first migration changes data of schema 1 to schema 2, the next one 2 to 3, and so on. Add one when older
 * processes could not work with what newer ones write. Processes that start together may run a migration several times
 * at once.
 */
const MIGRATIONS: readonly ((redis: Redis, keys: Keys) => Promise<void>)[] = [];

/** How long a starting process waits for Redis before it continues without the check. */
const FIRST_ANSWER_MS = 3000;
const ERROR_PAUSE_MS = 1000;

/**
 * Checks that the data in Redis has the schema of this version, and migrates older data. Resolves when this is done, or
 * after 3 seconds if Redis is away; the check then continues. Calls `onMismatch` if the data is newer: the process must
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
        log.warn('could not check the schema of the data in Redis; trying again', { error });
        await delay(ERROR_PAUSE_MS);
      }
    }
  };
  const checked = check().finally(() => redis.disconnect());
  await Promise.race([checked, delay(FIRST_ANSWER_MS, undefined, { ref: false })]);
}

/** Runs the missing migrations. If the data has a newer schema, resolves to an error and changes nothing. */
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
