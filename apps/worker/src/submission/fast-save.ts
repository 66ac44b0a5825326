import { buffer } from 'node:stream/consumers';
import { FleetError, graphOf, type ResolvedRequest } from '@comfy-fleet/contracts';
import type { FrameStore } from '@comfy-fleet/frames';
import type { OutputRecord } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import { FASTEST, fastSaveNodes, type Graph, loadersOf, SAVES_WEBP, withFastSave } from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import type { Instance } from '../instance/instance.js';
import type { KnownWorkflows } from '../instance/known-workflows.js';
import { NodeWork } from './progress-tracker.js';

/** A fast save did not give what SaveImage would have given. The job runs again, without it. */
export class FastSaveFailed extends FleetError {
  constructor(reason: string, cause?: unknown) {
    super('prompt_lost', `The picture could not be saved fast and is rendered again: ${reason}.`, { cause });
  }
}

/** Decides which pictures ComfyUI saves as WebP, for which the GPU waits less long than for PNGs. */
export interface FastSave {
  /** The graph to submit: with faster nodes in place of SaveImage where the result is certain to be the same. */
  graphFor(request: ResolvedRequest, graph: Graph, where: Where): Graph;
  /** Learns from the outputs of a job that succeeded. */
  learn(request: ResolvedRequest, graph: Graph, outputs: readonly OutputRecord[]): Promise<void>;
  /** Pictures of this graph are not saved fast any more. */
  stop(request: ResolvedRequest): void;
}

interface Where {
  readonly instance: Pick<Instance, 'abilities'>;
  readonly extraData?: Readonly<Record<string, unknown>> | undefined;
}

export interface FastSaveOptions {
  /** Prompts that are expected to take longer are saved as usual; 0: all of them. */
  readonly belowMs: number;
  readonly workflows: Pick<KnownWorkflows, 'of'>;
  /** How long nodes of a version take, in ms per unit of work. */
  readonly nodeTimes: { of(version: string): ReadonlyMap<string, number> };
  readonly frames: Pick<FrameStore, 'open'>;
  /** The worker has more pictures to convert than it can at once. */
  readonly isBusy: () => boolean;
  readonly log: Logger;
}

/** VAEs and graphs that are remembered. */
const MOST_KNOWN = 500;
/** The position of the colour type in a PNG, and its value for colours without transparency (PNG, 11.2.1). */
const COLOUR_TYPE_AT = 25;
const RGB = 2;

export function createFastSave({ belowMs, workflows, nodeTimes, frames, isBusy, log }: FastSaveOptions): FastSave {
  /** Whether the pictures of a VAE have no transparency. */
  const isOpaque = new LRUCache<string, boolean>({ max: MOST_KNOWN });
  const stopped = new LRUCache<string, true>({ max: MOST_KNOWN });

  /** The nodes that can be replaced in a job that is expected to be quick, each with its VAE. */
  const nodesOf = (request: ResolvedRequest, graph: Graph): ReadonlyMap<string, string> => {
    const workflow = belowMs === 0 ? undefined : workflows.of(request);
    if (!workflow?.allowsFastSave || stopped.has(graphOf(request))) return NONE;
    const work = new NodeWork(graph, request);
    const loaders = loadersOf(workflow, request);
    const executed = [...nodeTimes.of(graphOf(request))].filter(([id]) => Object.hasOwn(graph, id) && !loaders.has(id));
    const ms = executed.reduce((all, [id, msPerUnit]) => all + msPerUnit * work.of(id), 0);
    return executed.length > 0 && ms < belowMs ? fastSaveNodes(graph) : NONE;
  };

  return {
    graphFor: (request, graph, { instance, extraData }) => {
      const isAble = instance.abilities?.[SAVES_WEBP]?.method?.includes(FASTEST) === true;
      if (!isAble || !hasPlainTexts(extraData) || isBusy()) return graph;
      const nodes = [...nodesOf(request, graph)].filter(([, vae]) => isOpaque.get(vae));
      return withFastSave(
        graph,
        nodes.map(([id]) => id),
      );
    },
    learn: async (request, graph, outputs) => {
      for (const [id, vae] of nodesOf(request, graph)) {
        const [picture, another] = outputs.filter(({ nodeId }) => nodeId === id);
        if (isOpaque.has(vae) || picture?.contentType !== 'image/png' || another !== undefined) continue;
        const stream = await frames.open(picture.file, { start: COLOUR_TYPE_AT, end: COLOUR_TYPE_AT });
        if (stream !== undefined) isOpaque.set(vae, (await buffer(stream))[0] === RGB);
      }
    },
    stop: (request) => {
      stopped.set(graphOf(request), true);
      log.warn('pictures of this graph are not saved fast any more', { workflow: request.workflow });
    },
  };
}

const NONE: ReadonlyMap<string, string> = new Map();

/** Whether a WebP can contain the texts that ComfyUI would write into a PNG: each needs a field of its own in the EXIF. */
function hasPlainTexts(extraData: Where['extraData'] = {}): boolean {
  const { extra_pnginfo: texts = {} } = extraData;
  return typeof texts === 'object' && texts !== null && Object.keys(texts).every((name) => name === 'workflow');
}
