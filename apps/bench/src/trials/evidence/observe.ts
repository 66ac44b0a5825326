import { isTerminal, type Job, type WebhookDelivery } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { ask } from '../../lib/http.js';
import type { ChaosSettings } from '../chaos/settings.js';
import type { PlannedJob } from '../orders/plan-orders.js';
import type { Load } from '../people/load.js';
import type { TrialStack } from '../stack/stack.js';
import { type JobHistory, jobHistories, outboxLength, readCommands } from './redis-history.js';

const PREFIX = '{comfy-fleet}';

/** The history of every job in the file of Redis, and the number of callbacks in the outbox. */
export async function readRedis({ redis }: TrialStack): Promise<{ histories: JobHistory[]; leftInOutbox: number }> {
  const commands = await readCommands(redis.dir);
  return { histories: jobHistories(commands, PREFIX), leftInOutbox: outboxLength(commands, PREFIX) };
}

/** Every job that was answered 202 or has a record, with the API key of its caller. */
export function allJobs(
  { posts }: Load,
  histories: readonly JobHistory[],
  orders: readonly PlannedJob[],
): Map<string, string | undefined> {
  const keys = new Map(orders.map(({ tag, caller }) => [tag, caller.key]));
  const tags = new Map(histories.map(({ id, tag }) => [id, tag]));
  for (const { jobId, tag } of posts) if (jobId !== undefined) tags.set(jobId, tag);
  return new Map([...tags].map(([id, tag]) => [id, keys.get(tag ?? '')]));
}

/** The job from the API; undefined if that fails. */
export async function jobOf({ apiUrl }: TrialStack, id: string, key: string | undefined): Promise<Job | undefined> {
  const { status, body } = await ask(`${apiUrl}/jobs/${id}`, { method: 'GET', key });
  return status === 200 ? (body as Job) : undefined;
}

/** The state of the job's webhook; undefined if that fails. */
export async function deliveryOf(
  { apiUrl }: TrialStack,
  id: string,
  key: string | undefined,
): Promise<WebhookDelivery | undefined> {
  const { status, body } = await ask(`${apiUrl}/jobs/${id}/webhooks`, { method: 'GET', key });
  return status === 200 ? (body as WebhookDelivery) : undefined;
}

/** How many prompts each simulator has, running or waiting. */
export async function queueLengths(stack: TrialStack): Promise<Map<string, number>> {
  const lengths = new Map<string, number>();
  for (const name of stack.simulators) {
    const { body } = await ask(`${stack.urlOf(name)}/queue`, { method: 'GET' });
    const queue = body as { queue_running?: unknown[]; queue_pending?: unknown[] } | undefined;
    lengths.set(name, (queue?.queue_running?.length ?? 0) + (queue?.queue_pending?.length ?? 0));
  }
  return lengths;
}

/** Final states of a webhook. */
const SETTLED = ['delivered', 'failed', 'skipped'];

/**
 * Waits until every job has ended, every webhook is settled and every simulator is idle, but not forever. Returns how
 * long that took, in ms.
 */
export async function untilIdle(
  stack: TrialStack,
  { settings, load, orders }: { settings: ChaosSettings; load: Load; orders: readonly PlannedJob[] },
): Promise<number> {
  const start = Date.now();
  const open = allJobs(load, (await readRedis(stack)).histories, orders);
  const withinMs = settings.restMs + open.size * settings.restMsPerJob;
  const isIdle = async () => {
    for (const [id, key] of open) {
      const job = await jobOf(stack, id, key);
      if (job === undefined || !isTerminal(job.status)) return false;
      const delivery = await deliveryOf(stack, id, key);
      if (delivery === undefined || !SETTLED.includes(delivery.state)) return false;
      open.delete(id);
    }
    return [...(await queueLengths(stack)).values()].every((length) => length === 0);
  };
  // The checks report what is not idle by then.
  await until('the stack is idle', isIdle, { withinMs, everyMs: 200 }).catch(() => {});
  return Date.now() - start;
}
