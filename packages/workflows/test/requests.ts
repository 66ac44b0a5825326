import type {
  GenerateRequest,
  Img2ImgRequest,
  InputFile,
  PictureKind,
  RequestLimits,
  ResolvedRequest,
} from '@comfy-fleet/contracts';
import { bindGraph, type Graph, resolveRequest, type Workflow, type Workflows } from '../src/index.js';
import { type Files, loadFolder } from './folder.js';

export const LIMITS: RequestLimits = {
  maxPromptChars: 4000,
  maxSteps: 150,
  maxCfg: 30,
  minSize: 64,
  maxSize: 2048,
  maxCount: 8,
  maxJobPixels: 1_000_000_000,
  maxMetadataBytes: 1024,
  maxQueuedSeconds: 86_400,
};

export const DRAWN_SEED = '4711';
export const INPUT: InputFile = { name: `${'f'.repeat(64)}.png`, kind: 'image', width: 800, height: 1200 };

export function resolve(
  kind: PictureKind,
  request: GenerateRequest | Img2ImgRequest,
  { byName, profiles }: Workflows,
  options: { input?: InputFile; limits?: RequestLimits } = {},
): ResolvedRequest {
  const { input = INPUT, limits = LIMITS } = options;
  const workflow = workflowCalled({ byName, profiles }, kind);
  const randomSeed = () => DRAWN_SEED;
  return resolveRequest({ workflow, profiles, request, randomSeed, limits, ...(kind === 'img2img' ? { input } : {}) });
}

/** Loads a fixture as the workflow of its kind. */
export async function loadAs(kind: PictureKind, fixture: string, files: Files = {}): Promise<Workflows> {
  return loadFolder({ [`${kind}.json`]: { fixture }, ...files });
}

export function workflowCalled({ byName }: Workflows, name: string): Workflow {
  const workflow = byName.get(name);
  if (workflow === undefined) throw new Error(`there is no workflow ${name}`);
  return workflow;
}

/** The name of the input picture in ComfyUI. */
export const FILES = new Map([['image', 'input.png']]);

/** The graph for ComfyUI. */
export function bind(kind: PictureKind, request: Omit<Img2ImgRequest, 'prompt'>, workflows: Workflows): Graph {
  const resolved = resolve(kind, { prompt: 'a fox', ...request }, workflows);
  return bindGraph(workflowCalled(workflows, kind), resolved, { filenamePrefix: 'job', files: FILES });
}

export function inputsOf(graph: Graph, id: string): Record<string, unknown> {
  const node = graph[id];
  if (node === undefined) throw new Error(`there is no node ${id}`);
  return node.inputs;
}
