import type { SocketEvent } from '@comfy-fleet/comfyui';
import type { Progress } from '@comfy-fleet/jobs';
import type { Graph } from '@comfy-fleet/workflows';
import { nodeTitle } from './node-title.js';

/** What is expected of a graph before it is seen. */
export interface Expected {
  /** Stands for the nodes with steps until they say themselves, where no time is known. */
  readonly steps: number;
  /** How long its nodes execute, in ms by id; empty: nobody has seen such a graph. */
  readonly times: ReadonlyMap<string, number>;
}

/**
 * Makes one rising fraction of what the socket tells about the nodes. A node weighs as many ms as it was learned to
 * take. In a graph that nobody has seen one with steps weighs as many as it has, any other weighs one. Those that
 * ComfyUI answers from its cache count as done.
 */
export class ProgressTracker {
  readonly #graph: Graph;
  readonly #expected: Expected;
  readonly #done = new Map<string, { value: number; max: number }>();
  #current: string | undefined;
  #fraction = 0;

  /** `reached` is how far it was said to be before. */
  constructor(graph: Graph, expected: Expected, reached = 0) {
    this.#graph = graph;
    this.#expected = expected;
    this.#fraction = reached;
  }

  /** Answers whether the event changed anything. */
  take(event: SocketEvent): boolean {
    switch (event.type) {
      case 'cached':
        for (const node of event.nodes) this.#done.set(node, { value: 1, max: 1 });
        return event.nodes.length > 0;
      case 'node':
        this.#current = event.node;
        return true;
      case 'progress':
        if (event.node === undefined) return false;
        this.#done.set(event.node, { value: event.value, max: event.max });
        return true;
      case 'progress_state':
        for (const { node, value, max } of event.nodes) this.#done.set(node, { value, max });
        return false;
      default:
        return false;
    }
  }

  get progress(): Progress {
    const steps = this.#current === undefined ? undefined : this.#done.get(this.#current);
    const counts = steps !== undefined && steps.max > 1;
    return {
      fraction: this.#rise(),
      step: counts ? steps.value : null,
      steps: counts ? steps.max : null,
      node: this.#current === undefined ? null : (nodeTitle(this.#graph[this.#current]) ?? null),
      ...(this.#current === undefined
        ? {}
        : { nodeId: this.#current, nodeClass: this.#graph[this.#current]?.class_type }),
      nodes: { done: this.#nodesDone(), total: Object.keys(this.#graph).length },
    };
  }

  #nodesDone(): number {
    const ids = Object.keys(this.#graph);
    return ids.filter((id) => {
      const { value = 0, max = 1 } = this.#done.get(id) ?? {};
      return value >= max;
    }).length;
  }

  #rise(): number {
    let total = 0;
    let done = 0;
    for (const [id, { class_type }] of Object.entries(this.#graph)) {
      const seen = this.#done.get(id);
      const weight = this.#weightOf(id, class_type, seen?.max);
      total += weight;
      done += seen === undefined ? 0 : weight * (seen.max > 0 ? Math.min(1, seen.value / seen.max) : 0);
    }
    const fraction = total === 0 ? 0 : Math.round((done / total) * 1000) / 1000;
    this.#fraction = Math.max(this.#fraction, fraction);
    return this.#fraction;
  }

  #weightOf(id: string, className: string, seenSteps: number | undefined): number {
    const { times, steps } = this.#expected;
    // A node that was always in the cache has no time.
    if (times.size > 0) return Math.max(1, times.get(id) ?? 1);
    return Math.max(seenSteps ?? 1, /sampler/i.test(className) && seenSteps === undefined ? steps : 1);
  }
}
