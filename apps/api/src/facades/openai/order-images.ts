import type { Lod } from '@comfy-fleet/contracts';
import type { Accepted } from '@comfy-fleet/jobs';
import { limitsFor, type Workflow } from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import type { InputsCheck } from '../../orders/inputs-check.js';
import { IN_INPUTS } from '../../orders/pointers.js';
import { type JobSpec, submitJobs } from '../../orders/submit-jobs.js';
import { knownCaller } from '../../server/caller.js';
import type { ApiRequest, SentFile } from '../../server/messages.js';
import { catalogueFor } from '../../workflows/catalogue-for.js';
import { type ImagesRequest, lodOfQuality } from './images-request.js';
import { MASK } from './models.js';
import { preparePictures } from './prepare-pictures.js';
import type { SentPictures } from './sent-pictures.js';
import { aboutFields, inputsFor, mostPictures } from './workflow-inputs.js';

export interface ImagesOrder {
  readonly workflow: Workflow;
  /** That the model names. */
  readonly lod: Lod | undefined;
  readonly wish: ImagesRequest;
  /** As they were sent. */
  readonly files: readonly SentFile[];
  /** None for a picture of a prompt alone. */
  readonly sent: SentPictures | undefined;
}

/**
 * Orders the pictures of a request: one job where the workflow can be told how many to make, else as many as it takes, all
 * or none. Throws what submitJobs throws, with the parameters of the request as the places of faults.
 */
export async function orderImages(
  deps: Deps,
  request: ApiRequest,
  { workflow, lod, wish, files, sent }: ImagesOrder,
  check: InputsCheck,
): Promise<Accepted> {
  const caller = knownCaller(request.caller);
  const limits = limitsFor(deps.config.limits, workflow, caller.gpuLimits);
  const catalogue = await catalogueFor(deps, workflow);
  const pictures = sent?.pictures.map(({ input }) => input) ?? [];
  const fields = sent?.maskAs === 'input' ? [...pictures, MASK] : pictures;
  const explain = (error: unknown) => aboutFields(workflow, error);
  const given = { inputs: inputsFor(workflow, wish, limits), sent: fields, isForm: false };
  let inputs: JobSpec['inputs'];
  try {
    inputs = check(workflow, { catalogue, limits, ...given });
  } catch (error) {
    throw explain(error);
  }
  const level = lod ?? lodOfQuality(wish) ?? (workflow.kind === 'workflow' ? undefined : 'mid');
  const digests = files.map(({ field, file }) => [field, file.digest]);
  return submitJobs(deps, request, { ...wish, files: digests }, async () => {
    const prepared = sent === undefined ? [] : await preparePictures(deps, request, workflow, sent);
    const same = { workflow, catalogue, lod: level, files: prepared, pointers: IN_INPUTS, explain };
    const counts = sharesOf(wish.n ?? 1, mostPictures(workflow, limits));
    return counts.map((count): JobSpec => ({ ...same, inputs: { ...inputs, ...count } }));
  });
}

/** How many pictures each job makes; nothing where it cannot be told. */
function sharesOf(pictures: number, most: number | undefined): readonly { readonly count?: number }[] {
  if (most === undefined) return Array.from({ length: pictures }, () => ({}));
  const jobs = Math.ceil(pictures / most);
  return Array.from({ length: jobs }, (_, index) => ({ count: Math.min(most, pictures - index * most) }));
}
