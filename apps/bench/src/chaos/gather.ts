import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { isTerminal, type Job } from '@comfy-fleet/contracts';
import { type JournalLine, readJournal, until } from '@comfy-fleet/testing';
import sharp from 'sharp';
import { readCommands } from './aof.js';
import type { PlantedFault } from './disturb.js';
import type { Download, Evidence, Execution } from './evidence.js';
import { type JobHistory, jobHistories } from './histories.js';
import { ask } from './http.js';
import type { Load } from './load.js';
import { simulatorNames } from './plan.js';
import type { Fleet } from './processes.js';
import { CHAOS } from './settings.js';

const PREFIX = '{comfy-fleet}';
const DOWNLOAD_MS = 10_000;

/** Waits until every job has ended and every simulator is idle, within limits. Answers how long that took, in ms. */
export async function untilRest(fleet: Fleet, load: Load): Promise<number> {
  const start = Date.now();
  const open = new Set(allIds(load, await readHistories(fleet)));
  const withinMs = CHAOS.restMs + open.size * CHAOS.restMsPerJob;
  const isAtRest = async () => {
    for (const id of open) {
      const job = await jobOf(fleet, id);
      if (job === undefined || !isTerminal(job.status)) return false;
      open.delete(id);
    }
    return [...(await queues(fleet)).values()].every((length) => length === 0);
  };
  // What is not at rest by then is a breach that the checks describe.
  await until('the fleet is at rest', isAtRest, { withinMs, everyMs: 200 }).catch(() => {});
  return Date.now() - start;
}

/** Looks at everything that the run has left, from outside. */
export async function gather(fleet: Fleet, load: Load, faults: readonly PlantedFault[]): Promise<Evidence> {
  const histories = await readHistories(fleet);
  const jobs = new Map<string, Job | undefined>();
  for (const id of allIds(load, histories)) jobs.set(id, await jobOf(fleet, id));
  const downloads: Download[] = [];
  for (const job of jobs.values()) {
    for (const { image_url } of job?.images ?? []) downloads.push(await download(fleet, job?.id ?? '', image_url));
  }
  return {
    settings: CHAOS,
    ...load,
    jobs,
    histories,
    executions: simulatorNames.flatMap((name) => executionsOf(name, readJournal(fleet.journalOf(name)))),
    downloads,
    frameFiles: await filesUnder(fleet.framesDir),
    leftInQueues: await queues(fleet),
    outages: fleet.all.flatMap(({ outages }) => outages).sort((a, b) => a.killedAt - b.killedAt),
    faults,
    processes: fleet.all.map(({ name, troubles, log }) => ({ name, troubles: [...troubles], log })),
    gatheredAt: Date.now(),
  };
}

async function readHistories({ redisDir }: Fleet): Promise<JobHistory[]> {
  return jobHistories(await readCommands(redisDir), PREFIX);
}

function allIds({ posts }: Load, histories: readonly JobHistory[]): Set<string> {
  return new Set([...posts.flatMap(({ jobId }) => jobId ?? []), ...histories.map(({ id }) => id)]);
}

async function jobOf({ apiUrl }: Fleet, id: string): Promise<Job | undefined> {
  const { status, body } = await ask(`${apiUrl}/jobs/${id}`, 'GET');
  return status === 200 ? (body as Job) : undefined;
}

async function queues(fleet: Fleet): Promise<Map<string, number>> {
  const lengths = new Map<string, number>();
  for (const name of simulatorNames) {
    const { body } = await ask(`${fleet.urlOf(name)}/queue`, 'GET');
    const queue = body as { queue_running?: unknown[]; queue_pending?: unknown[] } | undefined;
    lengths.set(name, (queue?.queue_running?.length ?? 0) + (queue?.queue_pending?.length ?? 0));
  }
  return lengths;
}

async function download({ apiUrl }: Fleet, jobId: string, url: string): Promise<Download> {
  const absent = { jobId, url, status: undefined, etag: undefined, sha256: '', bytes: 0, size: undefined };
  try {
    const answer = await fetch(`${apiUrl}${url}`, { signal: AbortSignal.timeout(DOWNLOAD_MS) });
    const bytes = Buffer.from(await answer.arrayBuffer());
    return {
      ...absent,
      status: answer.status,
      etag: answer.headers.get('etag') ?? undefined,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      bytes: bytes.length,
      size: await sizeOf(bytes),
    };
  } catch {
    return absent;
  }
}

/** Decodes the whole picture, so that a cut or damaged one is found out. */
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

function executionsOf(simulator: string, lines: readonly JournalLine[]): Execution[] {
  const key = ({ pid, run }: JournalLine) => `${pid}/${run}`;
  const ends = new Map(lines.flatMap((line) => (line.event === 'end' ? [[key(line), line] as const] : [])));
  return lines.flatMap((line) => {
    if (line.event !== 'start') return [];
    const end = ends.get(key(line));
    return [
      {
        simulator,
        pid: line.pid,
        promptId: line.prompt_id,
        startedAt: line.started_at,
        endedAt: end?.ended_at,
        outcome: end?.outcome,
      },
    ];
  });
}

async function filesUnder(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(dir, join(entry.parentPath, entry.name)));
}
