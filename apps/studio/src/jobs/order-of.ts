import type { Job } from '@comfy-fleet/client';
import type { Order } from '../make/order.js';

/** What text2img and img2img take of what a job shows. */
const TAKEN = [
  'prompt',
  'negative_prompt',
  'seed',
  'steps',
  'cfg',
  'sampler',
  'scheduler',
  'width',
  'height',
  'count',
  'checkpoint',
] as const;

/** The order that makes the same as a job did, seed and all; files that came with it have to be at hand. */
export function orderOf(job: Job): Order {
  const { request, kind, lod } = job;
  if (kind === 'workflow') {
    const inputs = Object.entries(request.inputs ?? {}).filter(([, value]) => typeof value !== 'object');
    return { workflow: request.workflow, lod: lod ?? undefined, inputs: Object.fromEntries(inputs), files: {} };
  }
  const given = TAKEN.flatMap((name) =>
    request[name] === undefined || request[name] === '' ? [] : [[name, request[name]]],
  );
  const denoise = kind === 'img2img' && request.denoise !== undefined ? { denoise: request.denoise } : {};
  const { image } = request;
  const source = image?.source === undefined ? {} : { source: image.source };
  return {
    workflow: kind,
    lod: lod ?? undefined,
    inputs: { ...Object.fromEntries(given), ...denoise, ...source },
    files: {},
  };
}
