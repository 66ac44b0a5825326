import type { JobRecord, JobShare } from '@comfy-fleet/jobs';
import type { Instance } from '../instance/instance.js';

export interface KeptResultsOptions {
  readonly instance: Instance;
  /** The most pixels whose results ComfyUI may keep in memory; see `keptPixels` of ResolvedRequest. */
  readonly maxKeptPixels: number;
  /** Charges the keys of these jobs for loading the models again. Never throws. */
  readonly chargeLoads: (shares: readonly JobShare[]) => void;
}

/** The results of a key's jobs in one pool, and the last of these jobs. */
interface Kept extends Omit<JobShare, 'ms'> {
  readonly pixels: number;
}

/**
 * Has ComfyUI drop its results if those of all prompts, ended or not, would take the memory of more than `maxKeptPixels`.
 * Otherwise it would die of what other jobs left there. Since it then loads its models again for the next job, the keys
 * are charged for that in proportion to their results.
 */
export class KeptResults {
  readonly #options: KeptResultsOptions;
  /** What ComfyUI may keep or is about to make. Not reset when its socket breaks, which a job can cause. */
  #kept: ReadonlyMap<string, Kept> = new Map();

  constructor(options: KeptResultsOptions) {
    this.#options = options;
  }

  /** `next` is about to be submitted; `waiting` are the jobs whose prompts have not begun. */
  async makeRoom(waiting: readonly JobRecord[], next: JobRecord | undefined, signal: AbortSignal): Promise<void> {
    const { instance, maxKeptPixels, chargeLoads } = this.#options;
    if (instance.cacheMode?.kind !== 'lru') return; // the others drop results themselves
    const coming = keptBy(next === undefined ? waiting : [...waiting, next]);
    this.#kept = keptBy(next === undefined ? [] : [next], this.#kept);
    const all = [...this.#kept.values()];
    const pixels = pixelsOf(all);
    if (pixels <= Math.max(maxKeptPixels, pixelsOf([...coming.values()]))) return;
    this.#kept = coming;
    const { files } = instance.models;
    await instance.free(signal);
    const msPerPixel = instance.models.loadMs(files) / pixels;
    chargeLoads(all.map(({ pixels: own, ...job }) => ({ ...job, ms: Math.round(msPerPixel * own) })));
  }
}

function keptBy(jobs: readonly JobRecord[], before: ReadonlyMap<string, Kept> = new Map()): ReadonlyMap<string, Kept> {
  const kept = new Map(before);
  for (const { id, key, pool, request } of jobs) {
    const owner = JSON.stringify([pool, key]);
    kept.set(owner, { id, key, pool, pixels: (kept.get(owner)?.pixels ?? 0) + (request.keptPixels ?? 0) });
  }
  return kept;
}

function pixelsOf(kept: readonly Kept[]): number {
  return kept.reduce((sum, { pixels }) => sum + pixels, 0);
}
