import type { Instance } from '../instance/instance.js';

/**
 * Has ComfyUI drop its results if those of all prompts, ended or not, would take the memory of more than `maxPixels`.
 * Otherwise it would die of what other jobs left there.
 */
export class KeptResults {
  readonly #instance: Instance;
  readonly #maxPixels: number;
  /** The memory of the results that ComfyUI may keep or is about to make; see ResolvedRequest. */
  #pixels = 0;

  constructor(instance: Instance, maxPixels: number) {
    this.#instance = instance;
    this.#maxPixels = maxPixels;
    instance.events.on('disconnected', () => {
      this.#pixels = 0;
    });
  }

  /** `pixels` are those of a prompt to be submitted; `coming` are those of all prompts that have not begun, with it. */
  async makeRoom({ pixels, coming }: { pixels: number; coming: number }, signal: AbortSignal): Promise<void> {
    this.#pixels += pixels;
    if (this.#pixels <= Math.max(this.#maxPixels, coming) || this.#instance.encodeAhead.mostNodes === 0) return;
    this.#pixels = coming;
    await this.#instance.free(signal);
  }
}
