import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Job, WebhookDelivery } from '@comfy-fleet/contracts';
import { readJournal } from '@comfy-fleet/testing';
import sharp from 'sharp';
import type { PlantedFault } from '../chaos/disturb.js';
import type { ChaosSettings } from '../chaos/settings.js';
import type { PlannedJob } from '../orders/plan-orders.js';
import type { Load } from '../people/load.js';
import type { Receiver } from '../people/receiver.js';
import type { TrialStack } from '../stack/stack.js';
import type { Download, Evidence } from './evidence.js';
import { executionsOf } from './executions.js';
import { allJobs, deliveryOf, jobOf, queueLengths, readRedis } from './observe.js';

export interface Seen {
  readonly settings: ChaosSettings;
  readonly orders: readonly PlannedJob[];
  readonly load: Load;
  readonly faults: readonly PlantedFault[];
  readonly receiver: Receiver;
}

/** Collects everything that can be observed of the run from outside. */
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
    leftInQueues: await queueLengths(stack),
    outages: stack.all.flatMap(({ outages }) => outages).sort((a, b) => a.killedAt - b.killedAt),
    faults,
    processes: stack.all.map(({ name, troubles, log }) => ({ name, troubles: [...troubles], log })),
    gatheredAt: Date.now(),
  };
}

/** Pictures have two URLs: as outputs and as images. */
function urlsOf(job: Job | undefined): string[] {
  return [...(job?.outputs ?? []).map(({ url }) => url), ...(job?.images ?? []).map(({ image_url }) => image_url)];
}

async function filesUnder(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(dir, join(entry.parentPath, entry.name)));
}

const DOWNLOAD_MS = 10_000;

/** Downloads one file of a job completely. Never rejects. */
async function download(apiUrl: string, jobId: string, url: string): Promise<Download> {
  const nothing = { status: undefined, etag: undefined, contentType: undefined, size: undefined };
  const absent = { jobId, url, ...nothing, sha256: '', bytes: 0 };
  try {
    const answer = await fetch(`${apiUrl}${url}`, { signal: AbortSignal.timeout(DOWNLOAD_MS) });
    const bytes = Buffer.from(await answer.arrayBuffer());
    return {
      ...absent,
      status: answer.status,
      etag: answer.headers.get('etag') ?? undefined,
      contentType: answer.headers.get('content-type') ?? undefined,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      bytes: bytes.length,
      size: await sizeOf(bytes),
    };
  } catch {
    return absent;
  }
}

/** Decodes the whole picture, so that truncated and damaged pictures are detected. */
async function sizeOf(bytes: Buffer): Promise<Download['size']> {
  try {
    const picture = sharp(bytes, { failOn: 'warning' });
    const { format } = await picture.metadata();
    const { info } = await picture.raw().toBuffer({ resolveWithObject: true });
    return format === 'png' ? { width: info.width, height: info.height } : undefined;
  } catch {
    return undefined;
  }
}

/** Writes the files of Redis, the logs and the evidence to `dir`, for inspection. */
export async function keepEvidence(dir: string, redisDir: string, evidence: Evidence): Promise<void> {
  await cp(redisDir, join(dir, 'redis'), { recursive: true });
  await mkdir(join(dir, 'logs'));
  for (const { name, log } of evidence.processes) {
    await writeFile(join(dir, 'logs', `${name.replace('/', '-')}.log`), log);
  }
  const { jobs, deliveries, leftInQueues } = evidence;
  const maps = { jobs: [...jobs], deliveries: [...deliveries], leftInQueues: [...leftInQueues] };
  const plain = { ...evidence, ...maps, processes: [] };
  await writeFile(join(dir, 'evidence.json'), JSON.stringify(plain, null, 1));
}
