import type { Claim } from '@comfy-fleet/jobs';
import type { HeldJob } from './held-job.js';
import type { Instance } from './instance.js';

/** The jobs of one instance. Its place is taken from the claim until ComfyUI has nothing more to do for the job. */
export class Lane {
  readonly instance: Instance;
  readonly #onGpu = new Set<HeldJob>();
  readonly #held = new Set<HeldJob>();

  constructor(instance: Instance) {
    this.instance = instance;
  }

  get isFree(): boolean {
    return this.instance.health.state === 'up' && this.#onGpu.size === 0;
  }

  /** In the order of their coming. */
  get jobs(): readonly HeldJob[] {
    return [...this.#held];
  }

  enter(job: HeldJob): void {
    this.#onGpu.add(job);
    this.#held.add(job);
  }

  leaveGpu(job: HeldJob): void {
    this.#onGpu.delete(job);
  }

  leave(job: HeldJob): void {
    this.#onGpu.delete(job);
    this.#held.delete(job);
  }
}

/** Which lane a claimed job runs on; undefined: none of this worker's. */
export function chooseLane(lanes: readonly Lane[], { record }: Claim): Lane | undefined {
  const holder = lanes.find(({ instance }) => instance.name === record.instance);
  if (record.promptId !== null && holder !== undefined) return holder;
  return lanes.find((lane) => lane.isFree);
}
