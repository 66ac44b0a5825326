import type { PromptNews } from '../instance/instance.js';
import type { SeenTexts } from '../instance/savings.js';

/** Node ids. */
export interface TextNodes {
  readonly encoders: ReadonlySet<string>;
  readonly samplers: ReadonlySet<string>;
  readonly loaders: Pick<ReadonlySet<string>, 'has'>;
}

/** Observes when the first sampler step of a prompt ends, and what was executed before. */
export class TextWatch {
  readonly #nodes: TextNodes;
  readonly #learn: (seen: SeenTexts) => void;
  #since: number | undefined;
  #firstStepMs: number | undefined;
  #encodes = false;

  constructor(nodes: TextNodes, learn: (seen: SeenTexts) => void) {
    this.#nodes = nodes;
    this.#learn = learn;
  }

  /** `now` is by performance.now(). */
  take(news: PromptNews, now: number): void {
    const { encoders, samplers, loaders } = this.#nodes;
    switch (news.type) {
      case 'started':
        if (encoders.size > 0) this.#since = now;
        return;
      case 'node':
        if (loaders.has(news.node)) this.#since = undefined;
        if (encoders.has(news.node)) this.#encodes = true;
        return;
      case 'progress':
        if (this.#since === undefined || news.node === undefined || !samplers.has(news.node)) return;
        this.#firstStepMs ??= now - this.#since;
        return;
      case 'succeeded':
        if (this.#since === undefined || this.#firstStepMs === undefined) return;
        this.#learn({ encoded: this.#encodes, firstStepMs: this.#firstStepMs, endMs: now - this.#since });
        return;
      case 'failed':
      case 'interrupted':
      case 'disconnected':
        this.#since = undefined;
        return;
    }
  }
}
