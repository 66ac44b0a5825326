import { hash } from 'node:crypto';
import type { RequestLimits, ResolvedRequest } from '@comfy-fleet/contracts';
import { ascii, type Catalogue, type Workflow } from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';

/** Requests of published workflows that were found within their limits, and the catalogue by which they were judged. */
export type WithinLimits = LRUCache<string, { readonly described: Catalogue | undefined }>;

/** Each takes some hundred bytes. */
const MOST_WITHIN = 2000;

export function createWithinLimits(): WithinLimits {
  return new LRUCache({ max: MOST_WITHIN });
}

/** Inputs of nodes whose values do not change what a job asks of a GPU, but for the length of a text. */
const LENGTH_ONLY = new Set([
  'CLIPTextEncode.text',
  'KSampler.seed',
  'KSamplerAdvanced.noise_seed',
  'RandomNoise.noise_seed',
  'SamplerCustom.noise_seed',
]);

/** Names everything that a job's demand depends on, besides the catalogue. */
export function demandId(workflow: Workflow, { inputs, outputs }: ResolvedRequest, limits: RequestLimits): string {
  const telling: Record<string, unknown> = { ...inputs };
  for (const { name, slots } of workflow.inputs) {
    const value = inputs[name];
    const isPlain = slots.every(({ node, input }) => LENGTH_ONLY.has(`${workflow.graph[node]?.class_type}.${input}`));
    // ComfyUI writes the graph into its files as ASCII.
    if (isPlain && typeof value === 'string') telling[name] = [value.length, ascii(JSON.stringify(value)).length];
  }
  return hash('sha256', JSON.stringify([workflow.name, workflow.version, telling, outputs, limits]), 'base64url');
}
