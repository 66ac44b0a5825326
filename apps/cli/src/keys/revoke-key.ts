import { setTimeout as delay } from 'node:timers/promises';
import { loadConfig } from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';
import { createHousekeeper } from '@comfy-fleet/jobs';
import { createLogger } from '@comfy-fleet/telemetry';
import { CommandError, type CommandIo } from '../command.js';
import { changeKeys, missingFile, readKeys } from './keys-file.js';

export interface RevokeOptions {
  /** Also allowed for a key that is no longer in the file: an earlier attempt may have failed halfway. */
  readonly cancelJobs?: boolean;
}

/** Removes a key from the file. */
export async function revokeKey(id: string, path: string, options: RevokeOptions, io: CommandIo): Promise<void> {
  const { info } = io;
  const keys = await readKeys(path);
  if (keys === undefined) throw missingFile(path);
  if (keys.some((key) => key.id === id)) {
    await changeKeys(path, (now) => now.filter((key) => key.id !== id));
    info(`The key ${id} is revoked.`);
  } else {
    const others = keys.length === 0 ? 'There are none' : `There are ${keys.map((key) => key.id).join(', ')}`;
    const absent = `There is no key ${id} in ${path}. ${others}.`;
    if (options.cancelJobs !== true) throw new CommandError(absent);
    info(absent);
  }
  if (options.cancelJobs === true) await cancelJobs(id, io);
  else info('Its jobs still run (--cancel-jobs cancels them). A new key with the same id would own them.');
}

/** How long an API may still accept jobs of a key that was removed from the file. */
const RELOAD_MS = 3000;

/**
 * Cancels the open jobs of a revoked key, including those that an API accepts before it has reloaded the file. It uses
 * Redis, since no route lets one key cancel another's jobs; this also works while no API is running.
 */
async function cancelJobs(id: string, { env, log: stream, info }: CommandIo): Promise<void> {
  const { redis, queue } = loadConfig(env);
  const log = createLogger({ service: 'keys', level: 'error', format: 'json', stream });
  const { jobTtlSeconds } = queue;
  const keeper = createHousekeeper({ redis, jobTtlSeconds, log });
  try {
    const canceled = new Set(await keeper.cancelOpen(id));
    await delay(RELOAD_MS);
    for (const late of await keeper.cancelOpen(id)) canceled.add(late);
    info(`Canceled ${canceled.size} open ${canceled.size === 1 ? 'job' : 'jobs'} of ${id}.`);
  } catch (error) {
    const why = error instanceof FleetError ? error.detail : 'Redis does not answer.';
    throw new CommandError(
      `The jobs of ${id} could not be canceled: ${why} Check REDIS_URL, and run this command again.`,
    );
  } finally {
    await keeper.close();
  }
}
