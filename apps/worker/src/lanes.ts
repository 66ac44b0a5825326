import type { Claim } from '@comfy-fleet/jobs';
import type { Instance } from './instance.js';

/** The jobs of one instance. Its place is taken from the claim until ComfyUI has nothing more to do for the job. */
export class Lane {
  readonly instance: Instance;
  /** Job ids in the order of their coming. */
  readonly #onGpu = new Set<string>();
  readonly #held = new Set<string>();

  constructor(instance: Instance) {
    this.instance = instance;
  }

  get isFree(): boolean {
    return this.instance.health.state === 'up' && this.#onGpu.size === 0;
  }

  get jobs(): string[] {
    return [...this.#held];
  }

  enter(jobId: string): void {
    this.#onGpu.add(jobId);
    this.#held.add(jobId);
  }

  leaveGpu(jobId: string): void {
    this.#onGpu.delete(jobId);
  }

  leave(jobId: string): void {
    this.#onGpu.delete(jobId);
    this.#held.delete(jobId);
  }
}

/** Which lane a claimed job runs on; undefined: none of this worker's. */
export function chooseLane(lanes: readonly Lane[], { record }: Claim): Lane | undefined {
  const holder = lanes.find(({ instance }) => instance.name === record.instance);
  if (record.promptId !== null && holder !== undefined) return holder;
  return lanes.find((lane) => lane.isFree);
}
