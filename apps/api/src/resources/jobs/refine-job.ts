import {
  FleetError,
  type Img2ImgRequest,
  type Lod,
  OVERRIDES,
  presentSeed,
  type ResolvedRequest,
  refineRequestSchema,
} from '@comfy-fleet/contracts';
import { type JobRecord, picturesOf } from '@comfy-fleet/jobs';
import { seedsOf } from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import { readFrame } from '../../files/find-picture.js';
import { keepPicture } from '../../files/normalise.js';
import { ownJob } from '../../files/ownership.js';
import { pictureSpec, workflowOf } from '../../orders/job-specs.js';
import { orderJob } from '../../orders/order-job.js';
import { onlyAt } from '../../orders/pointers.js';
import type { JobSpec } from '../../orders/submit-jobs.js';
import { knownCaller } from '../../server/caller.js';
import type { Handler } from '../../server/messages.js';
import { createValidator, refuseFaults } from '../../server/validator.js';
import { catalogueFor } from '../../workflows/catalogue-for.js';

/** From the idea to the finished picture. `direct_final` is no rung of it. */
const LADDER: readonly Lod[] = ['sketch', 'mid', 'final'];

/**
 * Makes the next rung of a picture: a new job at a higher level of detail that starts from the frame of the finished
 * one, with its prompt, its seed and what its request had set itself. Answers as POST /img2img does.
 */
export function refineJob(deps: Deps): Handler {
  const validate = createValidator(refineRequestSchema(deps.config.limits));
  return async (request) => {
    const caller = knownCaller(request.caller);
    const { value, errors } = validate(request.body, { isForm: false });
    refuseFaults(errors);
    return orderJob(deps, request, value, async () => {
      const { record } = await ownJob(deps, request.params.id, caller);
      const { lod, index = 0 } = value;
      const frame = refinedFrame(record, lod, index);
      if (record.kind === 'workflow') return refinedWorkflow(deps, record, lod, frame);
      const { signal } = request;
      const read = () =>
        readFrame(deps, frame, caller, signal).catch((error: unknown) => {
          if (error instanceof FleetError && error.code === 'validation_failed') throw gone();
          throw error;
        });
      const picture = await keepPicture(deps, read, { caller, pointer: '/index', signal });
      const input = { ...picture, source: frame };
      const parent = { id: record.id, relation: 'refine' } as const;
      return pictureSpec(deps, 'img2img', refined(record.request, lod, frame), {
        input,
        parent,
        callback: record.callback,
      });
    });
  };
}

/** The same workflow at a higher level of detail, where it starts from a picture: from that one. */
async function refinedWorkflow(deps: Deps, record: JobRecord, lod: Lod, frame: string): Promise<JobSpec> {
  const { inputs, outputs, overrides = [], priority, metadata } = record.request;
  const workflow = await workflowOf(deps, record.request);
  if (!workflow.startsFromPicture) {
    const detail = `The workflow ${workflow.name} has no input for a picture that it starts from, so its jobs cannot be refined.`;
    throw new FleetError('validation_failed', detail);
  }
  const seeds = seedsOf(workflow);
  const isKept = ([name]: readonly [string, unknown]) =>
    seeds.includes(name) || (overrides.includes(name) && !['image', 'denoise', 'count'].includes(name));
  const kept = Object.fromEntries(Object.entries(inputs).filter(isKept));
  const output = record.outputs.findIndex(({ file }) => file === frame);
  return {
    workflow,
    catalogue: await catalogueFor(deps, workflow),
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

/** Name of the frame to start from. Throws wrong_job_state and validation_failed. */
function refinedFrame({ status, lod: from, outputs }: JobRecord, to: Lod, index: number): string {
  if (status !== 'succeeded') {
    throw new FleetError('wrong_job_state', `The job is ${status}; only one that succeeded can be refined.`);
  }
  const higher = LADDER.includes(from) ? LADDER.slice(LADDER.indexOf(from) + 1) : [];
  if (!higher.includes(to)) {
    const detail =
      higher.length === 0 ? `a ${from} has no rung above it` : `of a ${from} can be ${higher.join(' or ')}`;
    throw new FleetError('validation_failed', `/lod ${detail}.`, { errors: [{ pointer: '/lod', detail }] });
  }
  const images = picturesOf(outputs);
  const image = images[index];
  if (image !== undefined) return image.file;
  const detail = `the job has ${images.length} pictures, counted from 0`;
  throw new FleetError('validation_failed', `/index ${detail}.`, { errors: [{ pointer: '/index', detail }] });
}

function gone(): FleetError {
  return new FleetError('wrong_job_state', 'The picture of the job has been deleted.');
}

/**
 * The request of the next rung. What the first one had set itself stays, but for its denoise, which said how much of
 * another picture to keep, and its count: one picture is refined.
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
