import { setTimeout as delay } from 'node:timers/promises';
import { loadConfig } from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';
import { createKeeper } from '@comfy-fleet/jobs';
import { createLogger } from '@comfy-fleet/telemetry';
import { Obstacle, type Surroundings } from '../command.js';
import { changeKeys, noFile, readKeys } from './keys-file.js';

export interface RevokeOptions {
  /** Also of a key that is not in the file any more: the first attempt may have failed halfway. */
  readonly cancelJobs?: boolean;
}

/** Takes a key out of the file. */
export async function revokeKey(
  id: string,
  path: string,
  options: RevokeOptions,
  surroundings: Surroundings,
): Promise<void> {
  const { say } = surroundings;
  const keys = await readKeys(path);
  if (keys === undefined) throw noFile(path);
  if (keys.some((key) => key.id === id)) {
    await changeKeys(path, (now) => now.filter((key) => key.id !== id));
    say(`The key ${id} is revoked.`);
  } else {
    const others = keys.length === 0 ? 'There are none' : `There are ${keys.map((key) => key.id).join(', ')}`;
    const absent = `There is no key ${id} in ${path}. ${others}.`;
    if (options.cancelJobs !== true) throw new Obstacle(absent);
    say(absent);
  }
  if (options.cancelJobs === true) await cancelJobs(id, surroundings);
  else say('Jobs that it has sent still run (--cancel-jobs cancels them); a new key of the same id would see them.');
}

/** For so long an API may still accept jobs of a key that is no longer in the file. */
const TAKEN_UP_MS = 3000;

/**
 * Cancels the open jobs of a key that was revoked, and those that an API accepts before it knows. Through Redis, as the
 * doctor looks at it: no route lets one key cancel another's jobs, and a running API is not needed.
 */
async function cancelJobs(id: string, { env, log: stream, say }: Surroundings): Promise<void> {
  const { redis, queue } = loadConfig(env);
  const log = createLogger({ service: 'keys', level: 'error', format: 'json', stream });
  const keeper = createKeeper({ redis, jobTtlSeconds: queue.jobTtlSeconds, log });
  try {
    const canceled = new Set(await keeper.cancelOpen(id));
    await delay(TAKEN_UP_MS);
    for (const late of await keeper.cancelOpen(id)) canceled.add(late);
    say(`Canceled ${canceled.size} open ${canceled.size === 1 ? 'job' : 'jobs'} of ${id}.`);
  } catch (error) {
    const why = error instanceof FleetError ? error.detail : 'Redis does not answer.';
    throw new Obstacle(`The jobs of ${id} could not be canceled: ${why} Check REDIS_URL, and run this command again.`);
  } finally {
    await keeper.close();
  }
}
