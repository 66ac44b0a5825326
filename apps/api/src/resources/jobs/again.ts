import {
  FleetError,
  filesOf,
  type Img2ImgRequest,
  isTerminal,
  type Lod,
  OVERRIDES,
  parseSeed,
  presentSeed,
  type ResolvedRequest,
  refineRequestSchema,
  type retryQuerySchema,
} from '@comfy-fleet/contracts';
import { type JobRecord, picturesOf } from '@comfy-fleet/jobs';
import { randomSeed, seedsOf } from '@comfy-fleet/workflows';
import type { Static } from 'typebox';
import type { Deps } from '../../deps.js';
import { findFrame } from '../../files/find-picture.js';
import { keepPicture } from '../../files/keep-picture.js';
import { ownJob } from '../../files/ownership.js';
import { requireStorageShare } from '../../files/storage.js';
import { pictureSpec, workflowOf } from '../../orders/job-specs.js';
import { orderJob } from '../../orders/order-job.js';
import { onlyAt, pointersOf } from '../../orders/pointers.js';
import type { JobSpec } from '../../orders/submit-jobs.js';
import type { ApiRequest, Handler, Reply } from '../../server/messages.js';
import { createValidator, invalidAt, refuseFaults } from '../../server/validator.js';

/** The levels through which a job can be refined, in order. `direct_final` is not one of them. */
const LADDER: readonly Lod[] = ['sketch', 'mid', 'final'];

/** Repeats a job with the same parameters, webhook and seed, unless the query has another seed. */
export function retryJob(deps: Deps) {
  return (request: ApiRequest, query: Static<typeof retryQuerySchema>): Promise<Reply> =>
    orderJob(deps, request, query, async () => {
      const { record } = await ownJob(deps, request.params.id, request.caller);
      if (!isTerminal(record.status)) {
        throw new FleetError('wrong_job_state', `The job is ${record.status}; you can retry it when it has ended.`);
      }
      const files = filesOf(record.request);
      if (files.length > 0) await requireStorageShare(deps, request.caller);
      for (const [input, { name, kind }] of files) {
        if (await deps.inputs.touch(name)) continue;
        const what = kind === 'image' ? 'picture' : 'file';
        const gone = `The ${what} that the job started from${record.kind === 'workflow' ? ` (${input})` : ''} has been deleted; send it again.`;
        throw new FleetError('wrong_job_state', gone);
      }
      const workflow = await workflowOf(deps, record);
      const parent = { id: record.id, relation: 'retry' } as const;
      const again = query.seed === undefined ? record.request : withSeed(record.request, query.seed, seedsOf(workflow));
      return { workflow, resolved: again, parent, callback: record.callback, pointers: pointersOf(workflow) };
    });
}

/** Throws validation_failed if the job has no seed or the new one is too large. */
function withSeed(request: ResolvedRequest, asked: string, names: readonly string[]): ResolvedRequest {
  if (request.inputs.seed === undefined) throw invalidAt('/seed', 'the job has no seed');
  const seeds = names.map((name) => {
    const seed = asked === 'random' ? randomSeed() : parseSeed(asked);
    if (seed === undefined) throw invalidAt('/seed', 'must be at most 18446744073709551615');
    return [name, seed];
  });
  return { ...request, inputs: { ...request.inputs, ...Object.fromEntries(seeds) } };
}

/** Creates a job at a higher level of detail from a picture of a finished job, with the fields that the old request set. */
export function refineJob(deps: Deps): Handler {
  const validate = createValidator(refineRequestSchema(deps.config.limits));
  return async (request) => {
    const { value, errors } = validate(request.body, { isForm: false });
    refuseFaults(errors);
    return orderJob(deps, request, value, async () => {
      const { record } = await ownJob(deps, request.params.id, request.caller);
      const { lod, index = 0 } = value;
      const frame = refinedFrame(record, lod, index);
      if (record.kind === 'workflow') return refinedWorkflow(deps, record, { lod, frame });
      const read = () =>
        findFrame(deps, frame, request.caller).catch((error: unknown) => {
          if (!(error instanceof FleetError) || error.code !== 'validation_failed') throw error;
          throw new FleetError('wrong_job_state', 'The picture of the job has been deleted.');
        });
      const picture = await keepPicture(deps, read, request, '/index');
      return pictureSpec(deps, 'img2img', refined(record.request, lod, frame), {
        input: { ...picture, source: frame },
        parent: { id: record.id, relation: 'refine' },
        callback: record.callback,
      });
    });
  };
}

/** Specifies a job of the same workflow at a higher level of detail that starts from the picture. */
async function refinedWorkflow(
  deps: Deps,
  record: JobRecord,
  { lod, frame }: { readonly lod: Lod; readonly frame: string },
): Promise<JobSpec> {
  const { inputs, outputs, overrides = [], priority, metadata } = record.request;
  const workflow = await workflowOf(deps, record);
  if (!workflow.startsFromPicture) {
    const detail = `The workflow ${workflow.name} has no input for a picture to start from, so its jobs cannot be refined.`;
    throw new FleetError('validation_failed', detail);
  }
  const seeds = seedsOf(workflow);
  const isKept = ([name]: readonly [string, unknown]) =>
    seeds.includes(name) || (overrides.includes(name) && !['image', 'denoise', 'count'].includes(name));
  const kept = Object.fromEntries(Object.entries(inputs).filter(isKept));
  const output = record.outputs.findIndex(({ file }) => file === frame);
  return {
    workflow,
    lod,
    priority,
    metadata,
    ...(outputs === undefined ? {} : { outputs }),
    inputs: { ...kept, image: `job:${record.id}/${output}` },
    callback: record.callback,
    parent: { id: record.id, relation: 'refine' },
    pointers: onlyAt('/index'),
  };
}

/** The name of the frame to start from. Throws wrong_job_state and validation_failed. */
function refinedFrame({ status, lod: from, outputs }: JobRecord, to: Lod, index: number): string {
  if (status !== 'succeeded') {
    throw new FleetError('wrong_job_state', `The job is ${status}; only one that succeeded can be refined.`);
  }
  const higher = LADDER.includes(from) ? LADDER.slice(LADDER.indexOf(from) + 1) : [];
  if (higher.length === 0) throw invalidAt('/lod', `a ${from} has no higher level`);
  if (!higher.includes(to)) throw invalidAt('/lod', `must be ${higher.join(' or ')} to refine a ${from}`);
  const images = picturesOf(outputs);
  const image = images[index];
  if (image === undefined)
    throw invalidAt('/index', `the job has ${images.length} pictures, and the index of the first is 0`);
  return image.file;
}

/**
 * The request of the refined job. It keeps the fields that the first request set, except `denoise`, which was chosen for
 * another picture, and `count`, because only one picture is refined.
 */
function refined(request: ResolvedRequest, lod: Lod, source: string): Img2ImgRequest {
  const { inputs, priority, metadata, overrides = [] } = request;
  const text = (name: string) => (typeof inputs[name] === 'string' ? inputs[name] : '');
  const kept = Object.fromEntries(
    OVERRIDES.filter((name) => overrides.includes(name)).map((name) => [name, inputs[name]]),
  );
  const negative = text('negative_prompt') === '' ? {} : { negative_prompt: text('negative_prompt') };
  const same = { prompt: text('prompt'), ...negative, seed: presentSeed(text('seed')) };
  return { ...same, priority, metadata: { ...metadata }, ...kept, lod, source };
}
