import type { ModelCopy } from '@comfy-fleet/contracts';
import type { Models } from '@comfy-fleet/jobs';
import type { FetchedFile } from './folder.js';
import type { KeptFolder } from './plan-fetches.js';

/** How often everything is announced. */
const ANNOUNCE_MS = 20_000;

/** What a models folder has of each model, by id, and what of that other processes know. */
export class CopyBoard {
  readonly #models: Pick<Models, 'announce' | 'announceChanges'>;
  readonly #copies = new Map<string, ModelCopy>();
  /** Times of use that are not on the disk yet. */
  #uses = new Map<string, number>();
  /** As JSON. */
  #announced: ReadonlyMap<string, string> = new Map();
  #announcedAt = Number.NEGATIVE_INFINITY;
  #announcedBytes = 0;
  #announcing: Promise<void> = Promise.resolve();

  constructor(models: Pick<Models, 'announce' | 'announceChanges'>) {
    this.#models = models;
  }

  get(id: string): ModelCopy | undefined {
    return this.#copies.get(id);
  }

  all(): ReadonlyMap<string, ModelCopy> {
    return new Map(this.#copies);
  }

  set(id: string, copy: ModelCopy): void {
    this.#copies.set(id, copy);
  }

  /** Changes the copy if there is one. */
  change(id: string, fields: Partial<ModelCopy>): void {
    const copy = this.#copies.get(id);
    if (copy !== undefined) this.#copies.set(id, { ...copy, ...fields });
  }

  delete(id: string): void {
    this.#copies.delete(id);
  }

  /** The file is there. `ours`: the fleet fetched it. */
  ready(id: string, bytes: number, ours: FetchedFile | undefined): void {
    const before = this.#copies.get(id);
    const known = before?.state === 'ready' || before?.state === 'evicting' ? before : undefined;
    const verifiedAt = Math.max(known?.verified_at ?? 0, ours?.verified_at ?? 0);
    this.#copies.set(id, {
      ...{ state: 'ready', bytes, fetched: bytes, is_ours: ours !== undefined },
      used_at: Math.max(known?.used_at ?? 0, ours?.used_at ?? 0),
      ...(ours === undefined ? {} : { fetched_at: ours.fetched_at }),
      ...(verifiedAt === 0 ? {} : { verified_at: verifiedAt }),
      ...(known?.error === undefined ? {} : { error: known.error }),
    });
  }

  /** The model is wanted, but nothing may be evicted for it. */
  lacksSpace(id: string): void {
    const { bytes = 0, state, error: before } = this.#copies.get(id) ?? {};
    if (state === 'ready' || before?.code === 'no_space') return;
    const detail = 'The models folder has no space for it, and all that it has is needed.';
    const error = { code: 'no_space', detail, at: Date.now() } as const;
    this.#copies.set(id, { state: 'failed', bytes, fetched: 0, used_at: 0, is_ours: false, error });
  }

  used(ids: Iterable<string>): void {
    const now = Date.now();
    for (const id of ids) {
      this.change(id, { used_at: now });
      this.#uses.set(id, now);
    }
  }

  /** The uses since the last call. */
  takeUses(): ReadonlyMap<string, { readonly used_at: number }> {
    const uses = new Map([...this.#uses].map(([id, used_at]) => [id, { used_at }]));
    this.#uses = new Map();
    return uses;
  }

  /** Announces what has changed; from time to time, and when the folder has changed, everything. */
  announce(folder: KeptFolder['folder']): Promise<void> {
    // One after the other, so that Redis never keeps an older state.
    const announced = this.#announcing.then(() => this.#announce(folder));
    this.#announcing = announced.catch(() => undefined);
    return announced;
  }

  async #announce(folder: KeptFolder['folder']): Promise<void> {
    const now = new Map([...this.#copies].map(([id, copy]) => [id, JSON.stringify(copy)]));
    const isDue = performance.now() - this.#announcedAt >= ANNOUNCE_MS || folder.used_bytes !== this.#announcedBytes;
    if (isDue) {
      await this.#models.announce(folder, this.all());
      this.#announcedAt = performance.now();
      this.#announcedBytes = folder.used_bytes;
    } else {
      const changed = [...this.#copies].filter(([id]) => now.get(id) !== this.#announced.get(id));
      const gone = [...this.#announced.keys()].filter((id) => !now.has(id)).map((id) => [id, null] as const);
      const changes = new Map<string, ModelCopy | null>([...changed, ...gone]);
      if (changes.size > 0) await this.#models.announceChanges(folder.id, changes);
    }
    this.#announced = now;
  }

  /** Somebody else announces the folder from now on. */
  clear(): void {
    this.#copies.clear();
    this.#announced = new Map();
    this.#announcedAt = Number.NEGATIVE_INFINITY;
  }
}
