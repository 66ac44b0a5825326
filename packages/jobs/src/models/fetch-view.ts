import type { ModelCopy, ModelFolder } from '@comfy-fleet/contracts';
import type { FolderCopies } from './folders.js';
import type { ModelRecords } from './registry.js';

/** Waiting jobs of a key that need the same models. */
export interface WantedModels {
  readonly pool: string;
  readonly key: string;
  /** Ids of the registered models that they need. */
  readonly models: readonly string[];
  /** How many such jobs wait. */
  readonly waiting: number;
  /** Expected GPU time of each, in ms. */
  readonly expectedMs: number;
  /** When the first of them was created, in ms since 1970. */
  readonly since: number;
}

/** A job in work, and the ids of the models that it uses. */
export interface HeldJob {
  readonly key: string;
  readonly models: readonly string[];
}

/** A model folder and what is known about the demand for models. Times are in ms since 1970. */
export interface FetchView {
  readonly folder: ModelFolder;
  readonly copies: ReadonlyMap<string, ModelCopy>;
  /** The folders of other hosts. */
  readonly others: readonly FolderCopies[];
  readonly records: ModelRecords;
  /** In the order of service. */
  readonly wanted: readonly WantedModels[];
  /** Models that its instances need for their warm-up, and so always. */
  readonly kept: ReadonlySet<string>;
  /** The jobs that the folder's instances hold. */
  readonly held: readonly HeldJob[];
  /** How many bytes may be reserved before something is evicted. */
  readonly room: number;
  /** How long an instance loads a model, in ms. */
  readonly loadMs: (id: string) => number;
  /** What the last plan for the folder wants to be remembered. */
  readonly memory: FetchMemory;
  /** MODEL_PATIENCE_SECONDS, in ms. */
  readonly patienceMs: number;
  readonly now: number;
}

export interface FetchMemory {
  /** When a wanted model was last evicted for one that had been wanted for too long. */
  readonly forcedAt: number;
  /** The model whose fetch began last for each key. */
  readonly begun: ReadonlyMap<string, ModelAt>;
  /** The model from a URL of a key for which models of others were evicted, as long as it has not been fetched. */
  readonly owed: ReadonlyMap<string, ModelAt>;
}

/** A model, and when something was done for it. */
export interface ModelAt {
  readonly id: string;
  readonly at: number;
}

export const NO_MEMORY: FetchMemory = { forcedAt: 0, begun: new Map(), owed: new Map() };

export interface FetchPlan {
  /** A model for which others are evicted is fetched by the plan after that. */
  readonly evict: readonly string[];
  /** `rivals`: the other folders of the same pools; at most `most` of them may have the model when the fetch begins. */
  readonly fetch: readonly { readonly id: string; readonly most: number; readonly rivals: readonly string[] }[];
  /** Models that are wanted although nothing can be evicted for them. */
  readonly noSpace: readonly string[];
  /** Fetches that must end because others wait for their places. */
  readonly giveUp: readonly string[];
  /** Models whose fetch failed or goes on although nothing wants them any more. Fetches of registered ones go on. */
  readonly drop: readonly string[];
  readonly memory: FetchMemory;
}

/** A model that was wanted for this many times as long as its fetch takes is fetched even if that evicts a wanted one. */
export const FORCE_FACTOR = 10;
/** How long a caller's URL is fetched, in ms, until another one may take its place; registered models at least as long. */
export const TURN_MS = 120_000;
/** How long a request to fetch a model holds. */
const ASKED_MS = 3_600_000;
/** Assumed until it was measured. */
const BYTES_PER_SECOND = 50_000_000;
const BLOCK = 4096;

/** What the jobs of a key want of a model; those in work count as if they came first. */
interface KeyWant {
  /** Its place among those of the key. */
  readonly order: number;
  readonly since: number;
  readonly jobs: number;
  readonly workMs: number;
}

export interface Want {
  readonly id: string;
  /** Its place in the order of service. */
  readonly order: number;
  readonly byKey: ReadonlyMap<string, KeyWant>;
}

/** The models that jobs in work use, and the wanted ones that can be had. */
export function wantsOf({ held, wanted, folder, copies, now }: FetchView): ReadonlyMap<string, Want> {
  const wants = new Map<string, Want & { readonly byKey: Map<string, KeyWant> }>();
  let order = 0;
  const add = (id: string, key: string, { since, jobs, workMs }: Omit<KeyWant, 'order'>) => {
    order += 1;
    const want = wants.get(id) ?? { id, order, byKey: new Map() };
    const before = want.byKey.get(key) ?? { order, since, jobs: 0, workMs: 0 };
    want.byKey.set(key, {
      order: before.order,
      since: Math.min(before.since, since),
      jobs: before.jobs + jobs,
      workMs: before.workMs + workMs,
    });
    wants.set(id, want);
  };
  for (const { key, models } of held) {
    const ready = models.filter((id) => copies.get(id)?.state === 'ready');
    for (const id of ready) add(id, key, { since: 0, jobs: 0, workMs: 0 });
  }
  for (const { pool, key, models, waiting, expectedMs, since } of wanted) {
    // A job that lacks a model which cannot be fetched now needs none of its other models either.
    if (!folder.pools.includes(pool) || models.some((id) => isFailing(copies.get(id), now))) continue;
    for (const id of models) add(id, key, { since, jobs: waiting, workMs: waiting * expectedMs });
  }
  return wants;
}

/** The key that named the model by a URL; undefined for the models of operators. */
export function ownerOf(id: string, { records }: FetchView): string | undefined {
  const record = records.get(id);
  return record?.by_url ? record.keys?.[0] : undefined;
}

export function isFailing(copy: ModelCopy | undefined, now: number): boolean {
  return copy?.state === 'failed' && copy.error?.code !== 'no_space' && (copy.error?.retry_at ?? 0) > now;
}

export function isPinned(id: string, { folder, records, kept }: FetchView): boolean {
  return kept.has(id) || records.get(id)?.pinned_in.some((pool) => folder.pools.includes(pool)) === true;
}

export function isAsked(id: string, { folder, records, now }: FetchView): boolean {
  const record = records.get(id);
  if (record?.fetch_asked_at == null || now - record.fetch_asked_at > ASKED_MS) return false;
  return record.fetch_pools?.some((pool) => folder.pools.includes(pool)) ?? true;
}

export function fetchMs(id: string, view: FetchView): number {
  return (bytesOf(id, view) / (view.folder.bytes_per_second || BYTES_PER_SECOND)) * 1000;
}

/** As much as it takes on the disk; 0 while that is unknown. */
export function bytesOf(id: string, { records, copies }: FetchView): number {
  return onDisk(records.get(id)?.bytes ?? copies.get(id)?.bytes ?? 0);
}

export function bytesOfAll(ids: readonly string[], { copies }: FetchView): number {
  return ids.reduce((sum, id) => sum + onDisk(copies.get(id)?.bytes ?? 0), 0);
}

/** Disks store whole blocks. */
export function onDisk(bytes: number): number {
  return Math.ceil(bytes / BLOCK) * BLOCK;
}
