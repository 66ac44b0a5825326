import type { Loader } from '@comfy-fleet/workflows';
import type { HeldModels, SeenModels } from '../instance/held-models.js';
import type { PromptNews } from '../instance/instance.js';

/** What was observed of a prompt's models. */
export interface Loads {
  /** How long loading took, in ms; undefined: no file was loaded. */
  readonly ms: number | undefined;
  /** It needs models, and all of them were in memory. */
  readonly avoided: boolean;
}

/**
 * Observes which model files a prompt loads and how long that takes: from the beginning of a loader node to that of the
 * next node. When the sampler begins, the model moves to the GPU, which makes its first step longer than the second.
 */
export class LoadWatch {
  readonly #loaders: ReadonlyMap<string, Loader>;
  readonly #models: HeldModels;
  #seen: SeenModels | undefined;
  #node: { readonly id: string; readonly since: number; firstStepAt?: number } | undefined;
  readonly #loadedMs = new Map<string, number>();
  readonly #kept = new Set<string>();
  #toGpuMs: number | undefined;
  #hasEnded = false;

  constructor(loaders: ReadonlyMap<string, Loader>, models: HeldModels) {
    this.#loaders = loaders;
    this.#models = models;
  }

  /** The instance executes the prompt. Call it at least once, before `take`. */
  began(): void {
    this.#seen ??= this.#models.began(this.#files);
  }

  /** `now` is by performance.now(). */
  take(news: PromptNews, now: number): void {
    switch (news.type) {
      case 'cached':
        for (const id of news.nodes) this.#keep(this.#loaders.get(id)?.files ?? []);
        return;
      case 'node':
        if (news.node === this.#node?.id) return;
        this.#nodeEnded(now);
        this.#node = { id: news.node, since: now };
        return;
      case 'progress':
        this.#step(news.node, news.value, now);
        return;
      case 'succeeded':
        this.#nodeEnded(now);
        return;
      case 'failed':
      case 'interrupted':
      case 'disconnected':
        // The node did not finish, so its time is unknown.
        this.#node = undefined;
        return;
    }
  }

  /** The prompt ended, or no more news will come. Answers its loads once; undefined if it had not begun. */
  ended(): Loads | undefined {
    if (this.#hasEnded) return undefined;
    this.#hasEnded = true;
    if (this.#seen === undefined) {
      this.#models.takenBack(this.#files);
      return undefined;
    }
    const [longest] = [...this.#loadedMs].sort(([, a], [, b]) => b - a);
    if (longest === undefined) {
      const files = this.#files;
      return { ms: undefined, avoided: files.length > 0 && files.every((file) => this.#kept.has(file)) };
    }
    // The largest file takes the time to move to the GPU.
    this.#loadedMs.set(longest[0], longest[1] + (this.#toGpuMs ?? 0));
    for (const [file, ms] of this.#loadedMs) this.#seen.took(file, ms);
    return { ms: [...this.#loadedMs.values()].reduce((sum, ms) => sum + ms, 0), avoided: false };
  }

  get #files(): string[] {
    return [...new Set([...this.#loaders.values()].flatMap(({ files }) => files))];
  }

  #nodeEnded(now: number): void {
    const node = this.#node;
    const loader = node && this.#loaders.get(node.id);
    this.#node = undefined;
    if (node === undefined || loader === undefined) return;
    const ms = (now - node.since) / loader.files.length;
    for (const file of loader.files) {
      if (this.#seen?.ran(file, ms, loader.isLinked) === 'kept') this.#keep([file]);
      else this.#loadedMs.set(file, ms);
    }
  }

  #keep(files: readonly string[]): void {
    for (const file of files) {
      this.#kept.add(file);
      this.#seen?.kept(file);
    }
  }

  #step(id: string | undefined, value: number, now: number): void {
    const node = this.#node;
    if (node === undefined || node.id !== id) return;
    if (value === 1) node.firstStepAt = now;
    if (value !== 2 || node.firstStepAt === undefined) return;
    const stepMs = now - node.firstStepAt;
    this.#toGpuMs ??= Math.max(0, node.firstStepAt - node.since - stepMs);
  }
}
