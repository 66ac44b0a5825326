import type { ExpandedFrom } from '@comfy-fleet/contracts';
import type { NodeTiming, Progress } from '@comfy-fleet/jobs';
import type { Graph } from '@comfy-fleet/workflows';
import type { PromptNews } from '../instance/instance.js';
import { nodeTitle } from './progress-tracker.js';

/** How many nodes of a prompt are reported: a record is read often, and larger graphs are rare. */
const MOST_NODES = 200;

interface Seen {
  ms: number | null;
  steps: number | null;
  readonly cached: boolean;
}

/** Observes how long each node of a prompt executes: from its beginning to that of the next one. */
export class NodeWatch {
  readonly #graph: Graph;
  readonly #seen = new Map<string, Seen>();
  readonly #expanded = new Map<string, ExpandedFrom>();
  #node: { readonly id: string; readonly since: number } | undefined;
  #missed = false;
  /** Nodes that ended since the last report. */
  #ran: string[] = [];

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  /** `now` is by performance.now(). */
  take(news: PromptNews, now: number): void {
    switch (news.type) {
      case 'cached':
        for (const id of news.nodes) this.#seen.set(id, { ms: null, steps: null, cached: true });
        return;
      case 'node':
        if (news.node === this.#node?.id) return;
        this.#nodeEnded(now);
        this.#node = { id: news.node, since: now };
        return;
      case 'progress_state':
        for (const { node, expandedFrom } of news.nodes) {
          if (expandedFrom !== undefined) this.#expanded.set(node, expandedFrom);
        }
        return;
      case 'progress': {
        const seen = news.node === undefined ? undefined : this.#at(news.node);
        if (seen !== undefined && news.max > 0) seen.steps = news.max;
        return;
      }
      case 'succeeded':
      case 'failed':
      case 'interrupted':
        this.#nodeEnded(now);
        return;
      case 'disconnected':
        // Nodes may begin and end without notice, so the time until the next observed one belongs to no node.
        this.#node = undefined;
        this.#missed = true;
        return;
    }
  }

  /** In the order in which nodes ended; unknown times are null. Empty when nothing was observed. */
  get timings(): NodeTiming[] {
    const all = [...this.#seen].map(([id, { ms, steps, cached }]) => {
      const className = this.#graph[id]?.class_type ?? '';
      const expandedFrom = this.#expanded.get(id);
      const title = nodeTitle(this.#graph[expandedFrom?.real ?? id]) ?? className;
      const timing = { nodeId: id, title, className, ms, steps, cached };
      return expandedFrom === undefined ? timing : { ...timing, expandedFrom };
    });
    return all.slice(0, MOST_NODES);
  }

  /** The nodes that ended since the last call, with their steps; undefined if there are none. */
  takeRan(): Progress['ran'] {
    const ran = this.#ran.map((id) => {
      const [steps, from] = [this.#seen.get(id)?.steps ?? null, this.#expanded.get(id)];
      return from === undefined ? ([id, steps] as const) : ([id, steps, from] as const);
    });
    this.#ran = [];
    return ran.length === 0 ? undefined : ran;
  }

  /** The whole prompt was observed, from beginning to end. */
  get isComplete(): boolean {
    return !this.#missed && this.#seen.size > 0;
  }

  #nodeEnded(now: number): void {
    if (this.#node === undefined) return;
    const { id, since } = this.#node;
    this.#node = undefined;
    const seen = this.#at(id);
    seen.ms = (seen.ms ?? 0) + Math.round(now - since);
    this.#ran.push(id);
  }

  #at(id: string): Seen {
    const known = this.#seen.get(id);
    if (known !== undefined && !known.cached) return known;
    const seen: Seen = { ms: null, steps: null, cached: false };
    this.#seen.set(id, seen);
    return seen;
  }
}
