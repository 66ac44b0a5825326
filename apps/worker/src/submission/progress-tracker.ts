import type { SocketEvent } from '@comfy-fleet/comfyui';
import type { ExpandedFrom, ResolvedRequest } from '@comfy-fleet/contracts';
import type { Progress } from '@comfy-fleet/jobs';
import { type Graph, type GraphNode, isLink } from '@comfy-fleet/workflows';

/** What is known of a graph's nodes before they execute. */
export interface Expected {
  readonly work: NodeWork;
  /** How long nodes take per unit of work, in ms by id; empty: no execution of such a graph was observed. */
  readonly times: ReadonlyMap<string, number>;
}

/**
 * Turns the socket's events into one rising fraction. A node weighs as many ms as its work is expected to take, or as
 * many as it has steps if no execution of such a graph was observed. Nodes that ComfyUI answers from its cache weigh
 * nothing.
 */
export class ProgressTracker {
  readonly #graph: Graph;
  readonly #expected: Expected;
  readonly #done = new Map<string, { value: number; max: number }>();
  readonly #cached = new Set<string>();
  readonly #expanded = new Map<string, ExpandedFrom>();
  #current: string | undefined;
  #fraction = 0;

  /** `reached` is the fraction reported before. */
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

  /** The node's progress; undefined if ComfyUI has not reported it. */
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

  #weightOf(id: string, reportedMax: number | undefined): number {
    const { times, work } = this.#expected;
    // ComfyUI reports 0 of 1 for every node that begins, whatever steps it has.
    const reportedSteps = reportedMax === 1 ? undefined : reportedMax;
    // A node that was always in the cache has no known time.
    const weight = times.size > 0 ? (times.get(id) ?? 0) * work.of(id, reportedSteps) : work.stepsOf(id, reportedSteps);
    return Math.max(1, weight);
  }
}

/** Assumed steps of a sampler until ComfyUI reports them, if neither its node nor the request has a number. */
const USUAL_STEPS = 20;
const MEGAPIXEL = 2 ** 20;

/**
 * How much work each node of a job has, so that times measured for one job apply to another size. A sampler's work
 * grows with steps, pixels and pictures; that of the nodes after it grows with pixels and pictures. All other nodes
 * have the same work in every job.
 */
export class NodeWork {
  readonly #graph: Graph;
  readonly #usualSteps: number;
  readonly #megapixels: number;
  readonly #sampled: ReadonlySet<string>;

  constructor(graph: Graph, { inputs }: Pick<ResolvedRequest, 'inputs'>) {
    const { steps, width, height, count } = inputs;
    this.#graph = graph;
    this.#usualSteps = Number(steps) || USUAL_STEPS;
    const pixels = Number(width) * Number(height) || MEGAPIXEL;
    this.#megapixels = (pixels / MEGAPIXEL) * (Number(count) || 1);
    this.#sampled = downstreamOf(
      graph,
      Object.keys(graph).filter((id) => this.#isSampler(id)),
    );
  }

  /** In the units of learned times; `reported` is the number of steps that ComfyUI reported. */
  of(id: string, reported?: number): number {
    return this.stepsOf(id, reported) * (this.#sampled.has(id) ? this.#megapixels : 1);
  }

  stepsOf(id: string, reported?: number): number {
    if (reported !== undefined) return reported;
    if (!this.#isSampler(id)) return 1;
    const own = this.#graph[id]?.inputs.steps;
    return Number(own) || this.#usualSteps;
  }

  /** Nodes such as KSamplerSelect only choose a sampler; they have no links. */
  #isSampler(id: string): boolean {
    const { class_type = '', inputs = {} } = this.#graph[id] ?? {};
    return /sampler/i.test(class_type) && Object.values(inputs).some(isLink);
  }
}

/** Ids of these nodes and of all nodes that depend on them. */
function downstreamOf(graph: Graph, ids: readonly string[]): Set<string> {
  const users = new Map<string, string[]>();
  for (const [id, { inputs }] of Object.entries(graph)) {
    for (const value of Object.values(inputs).filter(isLink)) users.set(value[0], [...(users.get(value[0]) ?? []), id]);
  }
  const found = new Set(ids);
  // Iterating a set includes elements that are added meanwhile.
  for (const id of found) for (const user of users.get(id) ?? []) found.add(user);
  return found;
}

/** A title comes from the caller, and each event of a running job repeats it. */
const MOST_TITLE_CHARS = 200;

/** A node's name for people: its title, else its class. */
export function nodeTitle(node: Pick<GraphNode, 'class_type' | '_meta'> | undefined): string | undefined {
  return (node?._meta?.title ?? node?.class_type)?.slice(0, MOST_TITLE_CHARS).toWellFormed();
}
