import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Job, WebhookDelivery } from '@comfy-fleet/contracts';
import { readJournal } from '@comfy-fleet/testing';
import type { PlantedFault } from '../chaos/disturb.js';
import type { ChaosSettings } from '../chaos/settings.js';
import type { PlannedJob } from '../orders/plan-orders.js';
import type { Load } from '../people/load.js';
import type { Receiver } from '../people/receiver.js';
import type { TrialStack } from '../stack/stack.js';
import { download } from './downloads.js';
import type { Download, Evidence } from './evidence.js';
import { executionsOf } from './journals.js';
import { allJobs, deliveryOf, jobOf, queues, readRedis } from './look.js';

export interface Seen {
  readonly settings: ChaosSettings;
  readonly orders: readonly PlannedJob[];
  readonly load: Load;
  readonly faults: readonly PlantedFault[];
  readonly receiver: Receiver;
}

/** Looks at everything that the run has left, from outside. */
export async function gather(stack: TrialStack, { settings, orders, load, faults, receiver }: Seen): Promise<Evidence> {
  const { histories, leftInOutbox } = await readRedis(stack);
  const jobs = new Map<string, Job | undefined>();
  const deliveries = new Map<string, WebhookDelivery | undefined>();
  for (const [id, key] of allJobs(load, histories, orders)) {
    jobs.set(id, await jobOf(stack, id, key));
    deliveries.set(id, await deliveryOf(stack, id, key));
  }
  const downloads: Download[] = [];
  for (const job of jobs.values()) {
    for (const url of urlsOf(job)) downloads.push(await download(stack.apiUrl, job?.id ?? '', url));
  }
  return {
    settings,
    orders,
    ...load,
    jobs,
    histories,
    calls: [...receiver.calls],
    deliveries,
    leftInOutbox,
    executions: stack.simulators.flatMap((name) => executionsOf(name, readJournal(stack.journalOf(name)))),
    downloads,
    frameFiles: await filesUnder(stack.framesDir),
    leftInQueues: await queues(stack),
    outages: stack.all.flatMap(({ outages }) => outages).sort((a, b) => a.killedAt - b.killedAt),
    faults,
    processes: stack.all.map(({ name, troubles, log }) => ({ name, troubles: [...troubles], log })),
    gatheredAt: Date.now(),
  };
}

/** Pictures have two: as outputs and as images. */
function urlsOf(job: Job | undefined): string[] {
  return [...(job?.outputs ?? []).map(({ url }) => url), ...(job?.images ?? []).map(({ image_url }) => image_url)];
}

async function filesUnder(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(dir, join(entry.parentPath, entry.name)));
}
