import type { ModelCopy, ModelFolder } from '@comfy-fleet/contracts';
import type { Models } from '@comfy-fleet/jobs';

/** How often everything is announced. */
const ANNOUNCE_MS = 20_000;

/** What a models folder has of each model, and what of that other processes know. */
export class CopyBoard {
  readonly copies = new Map<string, ModelCopy>();
  readonly #models: Pick<Models, 'announce' | 'announceChanges'>;
  /** As JSON, by id. */
  #announced: ReadonlyMap<string, string> = new Map();
  #announcedAt = Number.NEGATIVE_INFINITY;

  constructor(models: Pick<Models, 'announce' | 'announceChanges'>) {
    this.#models = models;
  }

  /** Announces what has changed, and from time to time everything. */
  async announce(folder: Omit<ModelFolder, 'instances' | 'pools' | 'seen_at'>): Promise<void> {
    const now = new Map([...this.copies].map(([id, copy]) => [id, JSON.stringify(copy)]));
    if (performance.now() - this.#announcedAt >= ANNOUNCE_MS) {
      await this.#models.announce(folder, new Map(this.copies));
      this.#announcedAt = performance.now();
    } else {
      const changed = [...this.copies].filter(([id]) => now.get(id) !== this.#announced.get(id));
      const gone = [...this.#announced.keys()].filter((id) => !now.has(id)).map((id) => [id, null] as const);
      const changes = new Map<string, ModelCopy | null>([...changed, ...gone]);
      if (changes.size > 0) await this.#models.announceChanges(folder.id, changes);
    }
    this.#announced = now;
  }

  /** Somebody else announces the folder from now on. */
  clear(): void {
    this.copies.clear();
    this.#announced = new Map();
    this.#announcedAt = Number.NEGATIVE_INFINITY;
  }
}
