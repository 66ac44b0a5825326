import type { GenerateRequest, Img2ImgRequest, InputFile, PictureKind, RequestLimits } from '@comfy-fleet/contracts';
import { limitsFor, pictureInputs } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/caller.js';
import { findServed } from '../workflows/find-workflow.js';
import { pointersOf } from './pointers.js';
import type { JobSpec } from './submit-jobs.js';

/** The job of POST /generate or /img2img. Their workflows were judged when they were installed. */
export function pictureSpec(
  deps: Pick<Deps, 'workflows'>,
  kind: PictureKind,
  request: GenerateRequest | Img2ImgRequest,
  { input, ...rest }: Pick<JobSpec, 'callback' | 'parent'> & { readonly input?: InputFile } = {},
): JobSpec {
  const { workflow } = findServed(deps.workflows, kind);
  const { lod = 'mid', priority, metadata, start_within_seconds, webhook, webhook_url } = request;
  const inputs = pictureInputs(request, input);
  const order = { lod, priority, metadata, start_within_seconds, webhook, webhook_url, inputs, isJudged: true };
  return { workflow, ...order, pointers: pointersOf(workflow), ...rest };
}

/** What the key may ask of the workflow that POST /generate or /img2img runs. */
export function pictureLimits({ config, workflows }: Deps, kind: PictureKind, caller: Caller): RequestLimits {
  return limitsFor(config.limits, findServed(workflows, kind).workflow, caller.gpuLimits);
}
