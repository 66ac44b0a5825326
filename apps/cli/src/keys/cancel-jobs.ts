import { setTimeout as delay } from 'node:timers/promises';
import { loadConfig } from '@comfy-fleet/config';
import { FleetError } from '@comfy-fleet/contracts';
import { createKeeper } from '@comfy-fleet/jobs';
import { createLogger } from '@comfy-fleet/telemetry';
import { Obstacle, type Surroundings } from '../command.js';

/** For so long an API may still accept jobs of a key that is no longer in the file. */
const TAKEN_UP_MS = 3000;

/**
 * Cancels the open jobs of a key that was revoked, and those that an API accepts before it knows. Through Redis, as the
 * doctor looks at it: no route lets one key cancel another's jobs, and a running API is not needed.
 */
export async function cancelJobs(id: string, { env, log: stream, say }: Surroundings): Promise<void> {
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
