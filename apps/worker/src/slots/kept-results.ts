import type { JobRecord, JobShare } from '@comfy-fleet/jobs';
import type { Instance } from '../instance/instance.js';

interface Options {
  readonly instance: Instance;
  readonly maxPixels: number;
  /** Charges the keys of these jobs for loading the models again. Never throws. */
  readonly charge: (shares: readonly JobShare[]) => void;
}

/** The results of a key's jobs in one pool, and the last of these jobs. */
interface Kept extends Omit<JobShare, 'ms'> {
  readonly pixels: number;
}

/**
 * Has ComfyUI drop its results if those of all prompts, ended or not, would take the memory of more than `maxPixels`.
 * Otherwise it would die of what other jobs left there. Since it then loads its models again for the next job, the keys
 * are charged for that in proportion to their results.
 */
export class KeptResults {
  readonly #options: Options;
  /** What ComfyUI may keep or is about to make. */
  #kept: ReadonlyMap<string, Kept> = new Map();

  constructor(options: Options) {
    this.#options = options;
    options.instance.events.on('disconnected', () => {
      this.#kept = new Map();
    });
  }

  /** `next` is about to be submitted; `waiting` are the jobs whose prompts have not begun. */
  async makeRoom(waiting: readonly JobRecord[], next: JobRecord | undefined, signal: AbortSignal): Promise<void> {
    const { instance, maxPixels, charge } = this.#options;
    if (instance.encodeAhead.mostNodes === 0) return;
    const coming = keptBy(next === undefined ? waiting : [...waiting, next]);
    this.#kept = keptBy(next === undefined ? [] : [next], this.#kept);
    const all = [...this.#kept.values()];
    const pixels = pixelsOf(all);
    if (pixels <= Math.max(maxPixels, pixelsOf([...coming.values()]))) return;
    this.#kept = coming;
    const { files } = instance.models;
    await instance.free(signal);
    const msPerPixel = instance.models.loadMs(files) / pixels;
    charge(all.map(({ pixels: own, ...job }) => ({ ...job, ms: Math.round(msPerPixel * own) })));
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
