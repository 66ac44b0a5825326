import { NewsFeed } from './news-feed.js';

/** Says that something changed; rung twice before anybody listens it is heard once. */
export class Bell {
  readonly #feed = new NewsFeed<true>();
  #rung = false;

  ring(): void {
    if (this.#rung) return;
    this.#rung = true;
    this.#feed.push(true);
  }

  /** Resolves when it was rung, or after `ms`. Throws the signal's reason. */
  async heard(ms: number, signal: AbortSignal): Promise<void> {
    await this.#feed.next(ms, signal);
    this.#rung = false;
  }
}
