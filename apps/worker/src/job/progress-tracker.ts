import type { SocketEvent } from '@comfy-fleet/comfyui';
import type { Progress } from '@comfy-fleet/jobs';
import type { Graph } from '@comfy-fleet/workflows';

/**
 * Makes one rising fraction of what the socket tells about the nodes. A node with steps weighs as many as it has, any
 * other weighs one; those that ComfyUI answers from its cache count as done.
 */
export class ProgressTracker {
  readonly #graph: Graph;
  readonly #expectedSteps: number;
  readonly #done = new Map<string, { value: number; max: number }>();
  #current: string | undefined;
  #fraction = 0;

  /**
   * `expectedSteps` stands for the nodes with steps until they say themselves; `reached` is how far it was said to be
   * before.
   */
  constructor(graph: Graph, expectedSteps: number, reached = 0) {
    this.#graph = graph;
    this.#expectedSteps = expectedSteps;
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
      node: this.#current === undefined ? null : (this.#graph[this.#current]?.class_type ?? null),
    };
  }

  #rise(): number {
    let total = 0;
    let done = 0;
    for (const [id, { class_type }] of Object.entries(this.#graph)) {
      const seen = this.#done.get(id);
      const weight = Math.max(
        seen?.max ?? 1,
        /sampler/i.test(class_type) && seen === undefined ? this.#expectedSteps : 1,
      );
      total += weight;
      done += seen === undefined ? 0 : weight * (seen.max > 0 ? Math.min(1, seen.value / seen.max) : 0);
    }
    const fraction = total === 0 ? 0 : Math.round((done / total) * 1000) / 1000;
    this.#fraction = Math.max(this.#fraction, fraction);
    return this.#fraction;
  }
}
