import type { ModelCopy, ModelFolder, ModelRecord } from '@comfy-fleet/contracts';
import type { ModelCaches } from '@comfy-fleet/testing';
import { chooseFetches } from '../src/models/choose-fetches.js';
import { type FetchMemory, type FetchView, NO_MEMORY, type WantedModels } from '../src/models/fetch-view.js';
import { newModel } from '../src/models/registry.js';

/** A simulated job that takes a LoRA. Times are in ms. */
export interface SimulatedJob {
  readonly key: string;
  readonly model: string;
  readonly arrivesAt: number;
}

export interface Setting extends ModelCaches {
  readonly jobs: readonly SimulatedJob[];
  readonly patienceMs: number;
}

interface Host {
  readonly folder: ModelFolder;
  readonly copies: Map<string, ModelCopy>;
  memory: FetchMemory;
  job: { readonly key: string; readonly model: string; readonly endsAt: number } | undefined;
  held: string | undefined;
  idleMs: number;
}

export interface Outcome {
  readonly fetches: number;
  /** How long the GPUs were idle while jobs waited. */
  readonly idleMs: number;
  readonly endedAt: number;
  readonly longestWaitMs: number;
}

const BYTES = 4096;
const STEP_MS = 500;
export const POOL = 'default';

export function modelRecord(id: string, fields: Partial<ModelRecord> = {}): ModelRecord {
  return newModel('loras', id.slice('loras/'.length), { sources: [], bytes: BYTES, ...fields });
}

/** Hosts with one GPU each, whose folders fetch what `chooseFetches` says. Throws if it breaks a promise. */
export function simulateFetches(setting: Setting): Outcome {
  const { jobs, hosts: count, room, fetchMs, jobMs, patienceMs } = setting;
  const records = new Map(jobs.map(({ model }) => [model, modelRecord(model)]));
  const hosts = Array.from({ length: count }, (_, n): Host => {
    const folder = aFolder(`host-${n}`, { max_bytes: room * BYTES, bytes_per_second: (BYTES * 1000) / fetchMs });
    return { folder, copies: new Map(), memory: NO_MEMORY, job: undefined, held: undefined, idleMs: 0 };
  });
  const served = new Map<string, number>();
  let waiting = [...jobs].sort((a, b) => a.arrivesAt - b.arrivesAt);
  let [fetches, longestWaitMs, now] = [0, 0, 0];
  const isReady = ({ copies }: Host, model: string) => copies.get(model)?.state === 'ready';

  const startJob = (host: Host) => {
    const here = waiting.filter((job) => job.arrivesAt <= now && isReady(host, job.model));
    const byKey = here.toSorted((a, b) => (served.get(a.key) ?? 0) - (served.get(b.key) ?? 0));
    const [first] = byKey;
    const job = byKey.find(({ key, model }) => key === first?.key && model === host.held) ?? first;
    if (job === undefined) return;
    waiting = waiting.filter((other) => other !== job);
    served.set(job.key, (served.get(job.key) ?? 0) + jobMs);
    longestWaitMs = Math.max(longestWaitMs, now - job.arrivesAt);
    host.job = { key: job.key, model: job.model, endsAt: now + jobMs };
    host.held = job.model;
    use(host, job.model);
  };
  const use = (host: Host, model: string) => {
    const copy = host.copies.get(model);
    if (copy?.state !== 'ready') throw new Error(`${model} is used although it is ${copy?.state}`);
    host.copies.set(model, { ...copy, used_at: now });
  };
  const plan = (host: Host) => {
    const { folder, copies, memory, job } = host;
    const held = job === undefined ? [] : [{ key: job.key, models: [job.model] }];
    for (const [id, { state }] of copies) if (state === 'evicting' && job?.model !== id) copies.delete(id);
    const reserved = [...copies.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    const others = hosts.filter((other) => other !== host);
    const wanted = wantedNow(
      waiting.filter(({ arrivesAt }) => arrivesAt <= now),
      served,
      jobMs,
    );
    const view: FetchView = {
      folder,
      copies,
      others,
      records,
      wanted,
      held,
      kept: new Set(),
      room: folder.max_bytes - reserved,
      loadMs: () => 0,
      memory,
      patienceMs,
      now,
    };
    const { evict, fetch, giveUp, memory: next } = chooseFetches(view);
    host.memory = next;
    if (giveUp.length > 0) throw new Error(`the fetch of ${giveUp} is given up`);
    for (const id of evict) {
      const copy = copies.get(id);
      if (copy !== undefined && job?.model === id) copies.set(id, { ...copy, state: 'evicting' });
      else copies.delete(id);
    }
    for (const { id } of fetch) {
      fetches += 1;
      copies.set(id, { state: 'fetching', bytes: BYTES, fetched: 0, used_at: now, is_ours: true, started_at: now });
    }
    const used = [...copies.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    if (used > folder.max_bytes) throw new Error(`the folder has ${used} of ${folder.max_bytes} bytes`);
  };
  const download = ({ copies }: Host) => {
    const fetching = [...copies].filter(([, { state }]) => state === 'fetching');
    for (const [id, copy] of fetching) {
      const fetched = copy.fetched + (BYTES * STEP_MS) / fetchMs / fetching.length;
      copies.set(id, { ...copy, fetched, state: fetched >= BYTES ? 'ready' : 'fetching', used_at: now });
    }
  };

  for (; waiting.length > 0 || hosts.some(({ job }) => job); now += STEP_MS) {
    if (now > 100 * jobs.length * (jobMs + fetchMs)) throw new Error(`${waiting.length} jobs are still waiting`);
    for (const host of hosts) {
      if (host.job !== undefined && host.job.endsAt <= now) host.job = undefined;
      if (host.job === undefined) startJob(host);
      plan(host);
      if (host.job === undefined && waiting.some(({ arrivesAt }) => arrivesAt <= now)) host.idleMs += STEP_MS;
      download(host);
    }
  }
  return { fetches, idleMs: hosts.reduce((sum, { idleMs }) => sum + idleMs, 0), endedAt: now, longestWaitMs };
}

/** The demand in the order of service: keys by the time that they were served, and of each its jobs by age. */
function wantedNow(
  waiting: readonly SimulatedJob[],
  served: ReadonlyMap<string, number>,
  jobMs: number,
): WantedModels[] {
  const wanted = new Map<string, WantedModels>();
  for (const { key, model, arrivesAt } of waiting.toSorted(
    (a, b) => (served.get(a.key) ?? 0) - (served.get(b.key) ?? 0),
  )) {
    const id = `${key} ${model}`;
    const before = wanted.get(id);
    wanted.set(id, {
      pool: POOL,
      key,
      models: [model],
      waiting: (before?.waiting ?? 0) + 1,
      expectedMs: jobMs,
      since: before?.since ?? arrivesAt,
    });
  }
  return [...wanted.values()];
}

export function aFolder(id: string, fields: Partial<ModelFolder> = {}): ModelFolder {
  return {
    id,
    worker: id,
    instances: [`${id}/1`],
    pools: [POOL],
    peer_url: null,
    max_bytes: 5 * BYTES,
    used_bytes: 0,
    bytes_per_second: BYTES,
    seen_at: 0,
    ...fields,
  };
}

/** Random numbers from 0 to 1, always the same ones for a seed. */
export function randomFrom(seed: number): () => number {
  let state = seed * 2_654_435_761;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
