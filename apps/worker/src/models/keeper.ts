import { setTimeout as delay } from 'node:timers/promises';
import { joinSignals, type ModelCopy, type ModelRecord, modelId } from '@comfy-fleet/contracts';
import { type FetchPlan, MOST_FETCHES, type ModelRecords, type Models } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import pLimit from 'p-limit';
import { CopyBoard } from './copy-board.js';
import type { Progress } from './download.js';
import { faultOf, ModelFault } from './faults.js';
import { type FetchOptions, faultOfFile, fetchModel } from './fetch-model.js';
import { FolderOnDisk, modelOf } from './folder.js';
import type { ModelMeters } from './meters.js';
import { peersOf, type SharedFile } from './peers.js';
import type { FetchPlanner, KeptFolder } from './plan-fetches.js';
import { Retries } from './retries.js';

export interface KeeperOptions {
  readonly worker: string;
  readonly dir: string;
  readonly id: string;
  readonly limits: { readonly maxBytes: number | undefined; readonly minFreeBytes: number };
  /** Where other hosts fetch from this one. */
  readonly peers: { readonly url: string | undefined; readonly token: string | undefined };
  readonly models: Pick<
    Models,
    'list' | 'listWithDeleted' | 'keep' | 'folders' | 'announce' | 'announceChanges' | 'withdraw' | 'pin' | 'beginFetch'
  >;
  readonly planner: FetchPlanner;
  readonly fetching: Omit<FetchOptions, 'folder' | 'registry' | 'log'>;
  /** Between the announcement that a model is about to be evicted, and a last look at who uses it. */
  readonly evictAfterMs: number;
  readonly meters: ModelMeters;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** How long another worker waits to take over from one that is dead. */
const LEASE_MS = 15_000;
/** How often changes and the progress of fetches are announced. */
const TICK_MS = 1000;
/** How often the planner is asked. */
const PLAN_MS = 2000;
/** How often the folder is searched for what others have put there or deleted. */
const LOOK_MS = 5000;
/** How often times of use are written to the disk. */
const SAVE_USES_MS = 60_000;
/** How long a request to verify a model holds. */
const VERIFY_MS = 3_600_000;

interface Task {
  readonly kind: 'fetch' | 'verify' | 'evict';
  readonly done: Promise<void>;
  readonly end: (reason: Error) => void;
}

/**
 * Fetches, verifies and evicts the models of a folder, while this worker has the lease of the folder: workers that share
 * one have one keeper.
 */
export class Keeper {
  readonly #options: KeeperOptions;
  #disk: FolderOnDisk | undefined;
  #records: ModelRecords = new Map();
  readonly #copies: CopyBoard;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #plannedAt = Number.NEGATIVE_INFINITY;
  #isPlanDue = false;
  #savedAt = performance.now();
  #leaseUntil = Number.NEGATIVE_INFINITY;
  /** Fetches, checks and evictions in progress. */
  readonly #tasks = new Map<string, Task>();
  #tenure = joinSignals([]);
  readonly #retries = new Retries();
  #traffic = { bytes: 0, seconds: 0 };
  #wake = () => {};

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#copies = new CopyBoard(options.models);
  }

  /** Resolves when the signal has aborted and everything has stopped. */
  async run(): Promise<void> {
    const { signal, log, dir, models, id, worker } = this.#options;
    // Another worker may have taken over once the lease has expired, also while Redis does not answer.
    const guard = setInterval(() => {
      if (performance.now() > this.#leaseUntil) this.#tenure.abort(new Error('the lease of the models folder expired'));
    }, TICK_MS);
    while (!signal.aborted) {
      try {
        await this.#tick();
      } catch (error) {
        if (!signal.aborted) log.warn('keeping a models folder failed', { dir, error });
        this.#isPlanDue = false;
      }
      await this.#pause();
    }
    clearInterval(guard);
    const disk = this.#disk;
    const mayWrite = disk !== undefined && !this.#tenure.signal.aborted;
    await this.#letGo();
    if (!mayWrite) return;
    const leave = async () => {
      await this.#saveUses(disk);
      await models.withdraw(id);
      // Ends the lease, so that another worker takes over at once.
      await models.keep(id, worker, 1);
    };
    await leave().catch((error: unknown) => log.debug('could not withdraw a models folder', { dir, error }));
  }

  /** These models are used now. */
  readonly used = (ids: Iterable<string>): void => this.#copies.used(ids);

  /** The instance does not list the model although the folder has it. */
  readonly notListed = (id: string, instance: string): void => {
    if (this.#copies.get(id)?.state !== 'ready') return;
    const detail = `${instance} does not list the file, although it is in the models folder of this worker.`;
    this.#copies.change(id, { error: { code: 'not_listed', detail, at: Date.now() } });
  };

  /** The file of a registered model that is ready. */
  readonly shared = (id: string): SharedFile | undefined => {
    const [record, copy] = [this.#records.get(id), this.#copies.get(id)];
    if (this.#disk === undefined || record === undefined || record.sha256 === null || copy?.state !== 'ready') {
      return undefined;
    }
    return { path: this.#disk.pathOf(record), bytes: copy.bytes, sha256: record.sha256 };
  };

  async #pause(): Promise<void> {
    const { signal } = this.#options;
    if (this.#isPlanDue) return;
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const { signal: either, end } = joinSignals([signal, woken.signal]);
    await delay(TICK_MS, undefined, { signal: either }).catch(() => undefined);
    end();
  }

  /** A fetch or an eviction has ended, so there may be something else to do. */
  #planSoon(): void {
    this.#isPlanDue = true;
    this.#wake();
  }

  async #tick(): Promise<void> {
    const { models, id, worker, dir, limits } = this.#options;
    const asked = performance.now();
    if (!(await models.keep(id, worker, LEASE_MS))) return this.#letGo();
    if (this.#tenure.signal.aborted) await this.#letGo();
    this.#leaseUntil = asked + LEASE_MS;
    this.#disk ??= await FolderOnDisk.open(dir, limits);
    const records = await models.list();
    const now = performance.now();
    if (records !== this.#records || now - this.#lookedAt >= LOOK_MS) {
      this.#records = records;
      await this.#look(this.#disk);
      this.#lookedAt = now;
    }
    this.#verifyAsked(this.#disk);
    await this.#announce(this.#disk);
    if (this.#isPlanDue || now - this.#plannedAt >= PLAN_MS) {
      this.#isPlanDue = false;
      this.#plannedAt = now;
      await this.#plan(this.#disk);
      await this.#announce(this.#disk);
    }
    if (now - this.#savedAt >= SAVE_USES_MS) {
      this.#savedAt = now;
      await this.#saveUses(this.#disk);
    }
  }

  /** Another worker may manage the folder by now, so this one must stop writing to it. */
  async #letGo(): Promise<void> {
    this.#tenure.abort(new Error('the models folder is managed by another worker'));
    await Promise.allSettled([...this.#tasks.values()].map(({ done }) => done));
    this.#isPlanDue = false;
    this.#disk = undefined;
    this.#copies.clear();
    this.#options.meters.folders.delete(this.#options.id);
    this.#lookedAt = Number.NEGATIVE_INFINITY;
    this.#tenure = joinSignals([]);
  }

  /** Compares what is known with what is on the disk. */
  async #look(disk: FolderOnDisk): Promise<void> {
    const together = pLimit(32);
    const lookAt = async (id: string) => {
      const found = await disk.look(modelOf(id));
      if (this.#tasks.has(id)) return;
      const record = this.#records.get(id);
      const ours = disk.fetchedFile(modelOf(id));
      const isFailed =
        this.#copies.get(id)?.state === 'failed' && record !== undefined && !this.#retries.isOver(record);
      if (found !== undefined && (record ?? ours) !== undefined) this.#copies.ready(id, found.bytes, ours);
      else if (!isFailed) this.#copies.delete(id);
    };
    const ids = new Set([...this.#records.keys(), ...disk.fetchedIds, ...this.#copies.all().keys()]);
    await Promise.all([...ids].map((id) => together(() => lookAt(id))));
    for (const id of this.#tasks.keys()) {
      if (!this.#records.has(id)) this.#endFetch(id, new Error('the model is not registered any more'));
    }
    // If Redis has lost a record, the file stays until its space is needed: fetching it again may take long.
    const known = await this.#options.models.listWithDeleted();
    const isDeleted = (id: string) => known.get(id)?.deleted_at !== undefined;
    for (const id of disk.fetchedIds) if (isDeleted(id)) this.#evict(id, disk, true);
    await disk.sweep(isDeleted);
  }

  async #announce(disk: FolderOnDisk): Promise<void> {
    const { id, meters } = this.#options;
    meters.folders.set(id, { bytes: disk.usedBytes, maxBytes: disk.maxBytes });
    await this.#copies.announce(this.#folder(disk));
  }

  #folder(disk: FolderOnDisk): KeptFolder['folder'] {
    const { id, worker, peers } = this.#options;
    const { bytes, seconds } = this.#traffic;
    return {
      id,
      worker,
      peer_url: peers.url ?? null,
      max_bytes: disk.maxBytes,
      used_bytes: disk.usedBytes,
      bytes_per_second: seconds === 0 ? 0 : Math.round(bytes / seconds),
    };
  }

  async #plan(disk: FolderOnDisk): Promise<void> {
    const kept = { folder: this.#folder(disk), copies: this.#copies.all(), room: await disk.room() };
    const plan = await this.#options.planner.plan(kept);
    this.used(plan.inUse);
    for (const id of plan.drop) {
      if (this.#tasks.has(id)) this.#endFetch(id, new Error('nothing wants the model any more'));
      else this.#copies.delete(id);
    }
    for (const id of plan.giveUp) {
      const { bytes } = this.#copies.get(id) ?? {};
      this.#endFetch(id, new ModelFault('not_reachable', 'The source is slow, and other models wait.', { bytes }));
    }
    for (const id of plan.noSpace) if (!this.#tasks.has(id)) this.#copies.lacksSpace(id);
    for (const id of plan.evict) this.#evict(id, disk, plan.inUse.has(id));
    for (const planned of plan.fetch) await this.#fetch(planned, disk);
  }

  async #fetch(planned: FetchPlan['fetch'][number], disk: FolderOnDisk): Promise<void> {
    const { models, id: folder } = this.#options;
    const { id } = planned;
    const record = this.#records.get(id);
    const fetches = [...this.#tasks.values()].filter(({ kind }) => kind === 'fetch').length;
    if (record === undefined || this.#tasks.has(id) || fetches >= MOST_FETCHES) return;
    const now = Date.now();
    const bytes = record.bytes ?? this.#copies.get(id)?.bytes ?? 0;
    const copy: ModelCopy = { state: 'fetching', bytes, fetched: 0, used_at: 0, is_ours: true, started_at: now };
    if (!(await models.beginFetch(folder, planned, copy))) {
      // Another host was faster, so there may be something else to fetch.
      this.#plannedAt = Number.NEGATIVE_INFINITY;
      return;
    }
    this.#copies.set(id, copy);
    this.#begin(id, 'fetch', (signal) => this.#runFetch(record, disk, signal));
  }

  /** Runs one task for a model. Whatever it throws has been handled. `run` answers whether others may follow at once. */
  #begin(id: string, kind: Task['kind'], run: (signal: AbortSignal) => Promise<boolean>): void {
    const { log } = this.#options;
    const { signal, abort, end } = joinSignals([this.#tenure.signal]);
    const done = run(signal)
      .catch((error: unknown) => {
        if (!signal.aborted) log.error(`could not ${kind} a model`, { ...modelOf(id), error });
        return false;
      })
      .then((isDone) => {
        end();
        this.#tasks.delete(id);
        this.#lookedAt = Number.NEGATIVE_INFINITY;
        if (isDone) this.#planSoon();
      });
    this.#tasks.set(id, { kind, done, end: abort });
  }

  #endFetch(id: string, reason: Error): void {
    const task = this.#tasks.get(id);
    if (task?.kind === 'fetch') task.end(reason);
  }

  async #runFetch(record: ModelRecord, disk: FolderOnDisk, signal: AbortSignal): Promise<boolean> {
    const { fetching, models, id: folder, peers, meters, log } = this.#options;
    const { kind, name } = record;
    const id = modelId(record);
    const begin = performance.now();
    let arrived = 0;
    try {
      const hosts = record.sha256 === null ? [] : await models.folders();
      const fetch = {
        peers: peersOf(record, hosts, { folder, token: peers.token }),
        onProgress: (progress: Progress) => {
          arrived += progress.arrived;
          meters.fetchedBytes.inc({ kind }, progress.arrived);
          this.#copies.change(id, { bytes: progress.bytes, fetched: progress.fetched, arrived });
        },
        signal,
      };
      await fetchModel(record, fetch, { ...fetching, folder: disk, registry: models, log });
    } catch (error) {
      if (!signal.aborted || error instanceof ModelFault) this.#failed(record, faultOf(error));
      return signal.aborted;
    }
    const seconds = (performance.now() - begin) / 1000;
    this.#learnSpeed(arrived, seconds);
    meters.fetchSeconds.observe({ kind }, seconds);
    this.#retries.succeeded(record);
    const found = await disk.look(record);
    if (found === undefined) return true;
    this.#copies.ready(id, found.bytes, disk.fetchedFile(record));
    log.info('fetched a model', { kind, model: name, bytes: found.bytes, seconds: Math.round(seconds) });
    return true;
  }

  #failed(record: ModelRecord, fault: ModelFault): void {
    const { meters, log } = this.#options;
    const { kind, name } = record;
    meters.fetchFailures.inc({ kind, code: fault.code });
    log.warn('could not fetch a model', { kind, model: name, code: fault.code, reason: fault.detail });
    this.#copies.set(modelId(record), this.#retries.failed(record, fault));
  }

  /** Large files count more, because what a small one takes says little about the line. */
  #learnSpeed(bytes: number, seconds: number): void {
    this.#traffic = { bytes: this.#traffic.bytes / 2 + bytes, seconds: this.#traffic.seconds / 2 + seconds };
  }

  /**
   * Announces first that the model goes, so that no further job is claimed for it, and looks then who still uses it.
   * `waits`: until no job in work does.
   */
  #evict(id: string, disk: FolderOnDisk, waits: boolean): void {
    if (this.#tasks.has(id) || disk.fetchedFile(modelOf(id)) === undefined) return;
    this.#copies.change(id, { state: 'evicting' });
    this.#begin(id, 'evict', async (signal) => {
      const { evictAfterMs, planner, id: folder, meters, log } = this.#options;
      await this.#announce(disk);
      for (let isUsed = true; isUsed; ) {
        await delay(evictAfterMs, undefined, { signal });
        isUsed = (await planner.inUse(folder)).has(id);
        if (isUsed && !waits) return false;
      }
      signal.throwIfAborted();
      await disk.evict(modelOf(id));
      this.#copies.delete(id);
      const { kind, name } = modelOf(id);
      meters.evictions.inc({ kind });
      log.info('evicted a model', { kind, model: name });
      return true;
    });
  }

  #verifyAsked(disk: FolderOnDisk): void {
    const now = Date.now();
    for (const [id, record] of this.#records) {
      const { verify_asked_at: askedAt } = record;
      const copy = this.#copies.get(id);
      if (askedAt === null || askedAt < now - VERIFY_MS || copy?.state !== 'ready') continue;
      if ((copy.verified_at ?? 0) >= askedAt || this.#tasks.has(id)) continue;
      this.#begin(id, 'verify', (signal) => this.#verify(record, disk, signal).then(() => false));
    }
  }

  async #verify(record: ModelRecord, disk: FolderOnDisk, signal: AbortSignal): Promise<void> {
    const id = modelId(record);
    const file = await disk.look(record);
    const before = this.#copies.get(id);
    if (file === undefined || before === undefined) return;
    const fault = await faultOfFile(file.path, record, signal);
    signal.throwIfAborted();
    const at = Date.now();
    if (fault?.code === 'wrong_hash' && before.is_ours) {
      await disk.evict(record);
      return this.#failed(record, fault);
    }
    const { error: _before, ...copy } = before;
    const error = fault && { code: fault.code, detail: fault.detail, at };
    this.#copies.set(id, { ...copy, verified_at: at, ...(error === undefined ? {} : { error }) });
    await disk.update(new Map([[id, { verified_at: at }]]));
  }

  async #saveUses(disk: FolderOnDisk): Promise<void> {
    const uses = this.#copies.takeUses();
    if (uses.size > 0) await disk.update(uses);
  }
}
