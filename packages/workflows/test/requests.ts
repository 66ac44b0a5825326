import type { GenerateRequest, Img2ImgRequest, JobKind, RequestLimits, ResolvedRequest } from '@comfy-fleet/contracts';
import { bindGraph, type Graph, resolveRequest, type Template, type Workflows } from '../src/index.js';
import { type Files, loadFolder } from './folder.js';

export const LIMITS: RequestLimits = {
  maxPromptChars: 4000,
  maxSteps: 150,
  maxCfg: 30,
  minSize: 64,
  maxSize: 2048,
  maxCount: 8,
  maxMetadataBytes: 1024,
  maxQueuedSeconds: 86_400,
};

export const DRAWN_SEED = '4711';
export const INPUT = { sha256: 'f'.repeat(64), width: 800, height: 1200 };

export function resolve(
  kind: JobKind,
  request: GenerateRequest | Img2ImgRequest,
  workflows: Workflows,
  options: { input?: typeof INPUT; limits?: RequestLimits } = {},
): ResolvedRequest {
  const { input = INPUT, limits = LIMITS } = options;
  const randomSeed = () => DRAWN_SEED;
  return resolveRequest({ kind, request, randomSeed, limits, ...(kind === 'img2img' ? { input } : {}) }, workflows);
}

/** Loads a fixture as the template of its kind. */
export async function loadAs(kind: JobKind, fixture: string, files: Files = {}): Promise<Workflows> {
  return loadFolder({ [`${kind}.json`]: { fixture }, ...files });
}

export function templateOf(workflows: Workflows, name: string): Template {
  const template = workflows.templates.get(name);
  if (template === undefined) throw new Error(`there is no template ${name}`);
  return template;
}

/** What ComfyUI would be sent. */
export function bind(kind: JobKind, request: Omit<Img2ImgRequest, 'prompt'>, workflows: Workflows): Graph {
  const resolved = resolve(kind, { prompt: 'a fox', ...request }, workflows);
  const options = { filenamePrefix: 'job', ...(kind === 'img2img' ? { inputName: 'input.png' } : {}) };
  return bindGraph(templateOf(workflows, kind), resolved, options);
}

export function inputsOf(graph: Graph, id: string): Record<string, unknown> {
  const node = graph[id];
  if (node === undefined) throw new Error(`there is no node ${id}`);
  return node.inputs;
}
