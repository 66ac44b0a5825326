import type { ResolvedRequest } from '@comfy-fleet/contracts';
import { type Graph, isLink } from '@comfy-fleet/workflows';

/** Steps of a sampler until ComfyUI reports them, if neither its node nor the request says how many. */
const USUAL_STEPS = 20;
const MEGAPIXEL = 2 ** 20;

/**
 * How much work each node of a job has, so that times learned from one job hold for another of a different size. The work
 * of a sampler grows with steps, pixels and pictures, that of the nodes after it with pixels and pictures. All other nodes
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

  /** In units that times are learned for; `reported` is the number of steps that ComfyUI named. */
  of(id: string, reported?: number): number {
    return this.stepsOf(id, reported) * (this.#sampled.has(id) ? this.#megapixels : 1);
  }

  stepsOf(id: string, reported?: number): number {
    if (reported !== undefined) return reported;
    if (!this.#isSampler(id)) return 1;
    const own = this.#graph[id]?.inputs.steps;
    return Number(own) || this.#usualSteps;
  }

  /** Nodes such as KSamplerSelect only choose a sampler: they have no links. */
  #isSampler(id: string): boolean {
    const { class_type = '', inputs = {} } = this.#graph[id] ?? {};
    return /sampler/i.test(class_type) && Object.values(inputs).some(isLink);
  }
}

/** Ids of the nodes that work on what the named ones make, themselves included. */
function downstreamOf(graph: Graph, ids: readonly string[]): Set<string> {
  const users = new Map<string, string[]>();
  for (const [id, { inputs }] of Object.entries(graph)) {
    for (const value of Object.values(inputs).filter(isLink)) users.set(value[0], [...(users.get(value[0]) ?? []), id]);
  }
  const found = new Set(ids);
  // A set also hands out what is added while it is iterated.
  for (const id of found) for (const user of users.get(id) ?? []) found.add(user);
  return found;
}
