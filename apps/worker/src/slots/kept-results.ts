import type { JobRecord, JobShare } from '@comfy-fleet/jobs';
import type { Instance } from '../instance/instance.js';

export interface KeptResultsOptions {
  readonly instance: Instance;
  /** The most pixels whose results a ComfyUI with `--cache-lru` may keep in memory; see `keptPixels` of ResolvedRequest. */
  readonly maxKeptPixels: number;
  /** The most nodes whose results any other one may keep. */
  readonly maxKeptNodes: number;
  /** Charges the keys of these jobs for loading the models again. Never throws. */
  readonly chargeLoads: (shares: readonly JobShare[]) => void;
}

/**
 * The least nodes that a prompt counts for. ComfyUI 0.33 fails at a result that 2,700 prompts did not use; at most 1,250 are
 * counted here, and each may have a hint before it.
 */
const LEAST_NODES = 8;

/** A job whose prompt ComfyUI is going to execute. */
export interface ComingJob {
  readonly record: JobRecord;
  readonly nodes: number;
}

/** The results of a key's jobs in one pool, as a part of what may be kept, and the last of these jobs. */
interface Kept extends Omit<JobShare, 'ms'> {
  readonly part: number;
}

/**
 * Has ComfyUI drop its results if those of all prompts, ended or not, would be more than it may keep. Otherwise it would die
 * of what other jobs left there. It drops results itself when memory is low unless it has `--cache-lru`, but then looks at
 * each one after each node, and 0.33 fails for good at one that 2,700 prompts did not use. Since it loads its models again
 * for the next job, the keys are charged for that in proportion to their results.
 */
export class KeptResults {
  readonly #options: KeptResultsOptions;
  /** What ComfyUI may keep or is about to make. Not reset when its socket breaks, which a job can cause. */
  #kept: ReadonlyMap<string, Kept> = new Map();

  constructor(options: KeptResultsOptions) {
    this.#options = options;
  }

  /** `next` is about to be submitted; `waiting` are the jobs whose prompts have not begun. */
  async makeRoom(waiting: readonly ComingJob[], next: ComingJob | undefined, signal: AbortSignal): Promise<void> {
    const { instance, chargeLoads } = this.#options;
    if (instance.cacheMode === undefined || instance.cacheMode.kind === 'none') return;
    const coming = this.#keptBy(next === undefined ? waiting : [...waiting, next]);
    this.#kept = this.#keptBy(next === undefined ? [] : [next], this.#kept);
    const all = [...this.#kept.values()];
    const sum = sumOf(all);
    if (sum <= Math.max(1, sumOf([...coming.values()]))) return;
    this.#kept = coming;
    const { files } = instance.models;
    await instance.free(signal);
    const loadMs = instance.models.loadMs(files);
    chargeLoads(all.map(({ part, ...job }) => ({ ...job, ms: Math.round((loadMs * part) / sum) })));
  }

  #keptBy(jobs: readonly ComingJob[], before: ReadonlyMap<string, Kept> = new Map()): ReadonlyMap<string, Kept> {
    const kept = new Map(before);
    for (const job of jobs) {
      const { id, key, pool } = job.record;
      const owner = JSON.stringify([pool, key]);
      kept.set(owner, { id, key, pool, part: (kept.get(owner)?.part ?? 0) + this.#partOf(job) });
    }
    return kept;
  }

  #partOf({ record, nodes }: ComingJob): number {
    const { instance, maxKeptPixels, maxKeptNodes } = this.#options;
    if (instance.cacheMode?.kind === 'lru') return (record.request.keptPixels ?? 0) / maxKeptPixels;
    return Math.max(LEAST_NODES, nodes) / maxKeptNodes;
  }
}

function sumOf(kept: readonly Kept[]): number {
  return kept.reduce((sum, { part }) => sum + part, 0);
}
