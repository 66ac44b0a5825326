import type { TerminalStatus } from '@comfy-fleet/contracts';
import { BusyMeter } from './busy-meter.js';
import type { HeldJob, Place } from './held-job.js';
import type { Instance } from './instance.js';

/** One prompt executes, one waits behind it in ComfyUI's own queue, so that the GPU never waits for us. */
const PLACES = 2;

/** The jobs of one instance, from their claim until ComfyUI has nothing more to do for them. */
export class Lane implements Place {
  readonly instance: Instance;
  readonly #onGpu: HeldJob[] = [];
  readonly #held = new Set<HeldJob>();
  readonly #begun = new Set<HeldJob>();
  /** In which share of the last minute it executed. */
  readonly busy = new BusyMeter(performance.now());
  #expected: HeldJob | undefined;
  #done = 0;
  #failed = 0;

  constructor(instance: Instance) {
    this.instance = instance;
  }

  get isOpen(): boolean {
    return this.instance.health.state === 'up';
  }

  /** Open, and nothing executes or is about to, of ours or of somebody else. */
  get isIdle(): boolean {
    return this.isOpen && this.#onGpu.length === 0 && this.#expected === undefined && this.instance.prompts === 0;
  }

  /** Open, with a place behind what executes. */
  get hasRoom(): boolean {
    return this.isOpen && this.#onGpu.length + (this.#expected === undefined ? 0 : 1) < PLACES;
  }

  /** In the order of their coming, those whose pictures are being fetched included. */
  get jobs(): readonly HeldJob[] {
    return [...this.#held];
  }

  /** Jobs that succeeded and failed here. */
  get done(): number {
    return this.#done;
  }

  get failed(): number {
    return this.#failed;
  }

  /** What executes. */
  get running(): HeldJob | undefined {
    return this.#onGpu.find((job) => this.#begun.has(job));
  }

  /** In ComfyUI's queue, or on their way there. */
  get waiting(): readonly HeldJob[] {
    return this.#onGpu.filter((job) => !this.#begun.has(job));
  }

  /** Those whose pictures are being fetched. */
  get collecting(): readonly HeldJob[] {
    return this.jobs.filter((job) => !this.#onGpu.includes(job));
  }

  get first(): HeldJob | undefined {
    return this.#onGpu[0];
  }

  /** A job that waits in ComfyUI behind another one, of ours or of somebody else. */
  get behind(): HeldJob | undefined {
    return this.#onGpu.find((job, index) => job.isWaiting && (index > 0 || job.isStuck));
  }

  /** Keeps the lane for a job that is on its way from another one, until it enters or stays where it was. */
  expect(job: HeldJob): void {
    this.#expected = job;
  }

  unexpect(job: HeldJob): void {
    if (this.#expected === job) this.#expected = undefined;
  }

  enter(job: HeldJob): void {
    this.unexpect(job);
    this.#onGpu.push(job);
    this.#held.add(job);
  }

  began(job: HeldJob): void {
    if (!this.#onGpu.includes(job)) return;
    this.#begun.add(job);
    this.busy.set(true, performance.now());
    this.instance.loaded(job.record.request.checkpoint);
  }

  ended(status: TerminalStatus): void {
    if (status === 'succeeded') this.#done += 1;
    if (status === 'failed') this.#failed += 1;
  }

  leaveGpu(job: HeldJob): void {
    const index = this.#onGpu.indexOf(job);
    if (index >= 0) this.#onGpu.splice(index, 1);
    this.#begun.delete(job);
    this.busy.set(this.#begun.size > 0, performance.now());
  }

  leave(job: HeldJob): void {
    this.leaveGpu(job);
    this.#held.delete(job);
  }
}
