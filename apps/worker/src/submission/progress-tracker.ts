import type { SocketEvent } from '@comfy-fleet/comfyui';
import type { ExpandedFrom } from '@comfy-fleet/contracts';
import type { Progress } from '@comfy-fleet/jobs';
import type { Graph } from '@comfy-fleet/workflows';
import { nodeTitle } from './node-title.js';
import type { NodeWork } from './node-work.js';

/** What is known of a graph's nodes before they execute. */
export interface Expected {
  readonly work: NodeWork;
  /** How long its nodes take for a unit of their work, in ms by id; empty: nobody has seen such a graph. */
  readonly times: ReadonlyMap<string, number>;
}

/**
 * Turns the socket's events into one rising fraction. A node weighs as many ms as its work is expected to take; in a graph
 * that nobody has seen it weighs as much as it has steps. Nodes that ComfyUI answers from its cache take no time and
 * weigh nothing.
 */
export class ProgressTracker {
  readonly #graph: Graph;
  readonly #expected: Expected;
  readonly #done = new Map<string, { value: number; max: number }>();
  readonly #cached = new Set<string>();
  readonly #expanded = new Map<string, ExpandedFrom>();
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
        for (const node of event.nodes) {
          this.#done.set(node, { value: 1, max: 1 });
          this.#cached.add(node);
        }
        return event.nodes.length > 0;
      case 'node':
        this.#current = event.node;
        return true;
      case 'progress':
        if (event.node === undefined) return false;
        this.#done.set(event.node, { value: event.value, max: event.max });
        return true;
      case 'progress_state':
        for (const { node, value, max, expandedFrom } of event.nodes) {
          this.#done.set(node, { value, max });
          if (expandedFrom !== undefined) this.#expanded.set(node, expandedFrom);
        }
        return false;
      default:
        return false;
    }
  }

  get progress(): Progress {
    const current = this.#current;
    const steps = current === undefined ? undefined : this.#done.get(current);
    const expandedFrom = current === undefined ? undefined : this.#expanded.get(current);
    const counts = steps !== undefined && steps.max > 1;
    return {
      fraction: this.#rise(),
      step: counts ? steps.value : null,
      steps: counts ? steps.max : null,
      node: current === undefined ? null : (nodeTitle(this.#graph[expandedFrom?.real ?? current]) ?? null),
      ...(current === undefined ? {} : { nodeId: current, nodeClass: this.#graph[current]?.class_type }),
      ...(expandedFrom === undefined ? {} : { expandedFrom }),
      nodes: { done: this.#nodesDone(), total: Object.keys(this.#graph).length },
    };
  }

  /** How far that node is; undefined if ComfyUI has not reported it. */
  stepsOf(node: string | undefined): { readonly step: number; readonly steps: number } | undefined {
    const seen = node === undefined ? undefined : this.#done.get(node);
    return seen === undefined ? undefined : { step: seen.value, steps: seen.max };
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
    for (const id of Object.keys(this.#graph)) {
      if (this.#cached.has(id)) continue;
      const seen = this.#done.get(id);
      const weight = this.#weightOf(id, seen?.max);
      total += weight;
      done += seen === undefined ? 0 : weight * (seen.max > 0 ? Math.min(1, seen.value / seen.max) : 0);
    }
    const fraction = total === 0 ? Number(this.#cached.size > 0) : Math.round((done / total) * 1000) / 1000;
    this.#fraction = Math.max(this.#fraction, fraction);
    return this.#fraction;
  }

  #weightOf(id: string, reportedSteps: number | undefined): number {
    const { times, work } = this.#expected;
    // No time is known of a node that was always in the cache.
    const weight = times.size > 0 ? (times.get(id) ?? 0) * work.of(id, reportedSteps) : work.stepsOf(id, reportedSteps);
    return Math.max(1, weight);
  }
}
