import type { Job } from '@comfy-fleet/contracts';
import { readCommands } from './aof.js';
import { type JobHistory, jobHistories } from './histories.js';
import { ask } from './http.js';
import type { Load } from './load.js';
import { simulatorNames } from './plan.js';
import type { Fleet } from './processes.js';

const PREFIX = '{comfy-fleet}';

/** What Redis' file says of every job. */
export async function readHistories({ redisDir }: Fleet): Promise<JobHistory[]> {
  return jobHistories(await readCommands(redisDir), PREFIX);
}

/** Every job that a 202 or a record tells of. */
export function allIds({ posts }: Load, histories: readonly JobHistory[]): Set<string> {
  return new Set([...posts.flatMap(({ jobId }) => jobId ?? []), ...histories.map(({ id }) => id)]);
}

/** The job as the api shows it; undefined when it does not. */
export async function jobOf({ apiUrl }: Fleet, id: string): Promise<Job | undefined> {
  const { status, body } = await ask(`${apiUrl}/jobs/${id}`, 'GET');
  return status === 200 ? (body as Job) : undefined;
}

/** How many prompts each simulator has, running or waiting. */
export async function queues(fleet: Fleet): Promise<Map<string, number>> {
  const lengths = new Map<string, number>();
  for (const name of simulatorNames) {
    const { body } = await ask(`${fleet.urlOf(name)}/queue`, 'GET');
    const queue = body as { queue_running?: unknown[]; queue_pending?: unknown[] } | undefined;
    lengths.set(name, (queue?.queue_running?.length ?? 0) + (queue?.queue_pending?.length ?? 0));
  }
  return lengths;
}
