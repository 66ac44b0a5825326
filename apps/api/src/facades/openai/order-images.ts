import { FleetError, type RequestLimits, SIZE_STEP } from '@comfy-fleet/contracts';
import { limitsFor, type Workflow } from '@comfy-fleet/workflows';
import { IN_INPUTS } from '../../orders/pointers.js';
import { type JobSpec, submitJobs } from '../../orders/submit-jobs.js';
import { invalidField } from '../../server/validator.js';
import { catalogueFor } from '../../workflows/find-workflow.js';
import { type ImagesRequest, lodOfQuality, type Task } from './images-request.js';
import { type Choice, MASK, pictureInputs } from './models.js';
import { preparePictures } from './prepare-pictures.js';
import type { SentPictures } from './sent-pictures.js';

/** Creates as few jobs as the workflow's input `count` allows, or one per picture without it. Creates all or none. */
export async function orderImages(task: Task, { workflow, lod }: Choice, sent: SentPictures) {
  const { deps, request, wanted } = task;
  const { pictures, mask, maskAs } = sent;
  const caller = request.caller;
  const limits = limitsFor(deps.config.limits, workflow, caller.gpuLimits);
  const explain = (error: unknown) => atParams(workflow, error);
  const catalogue = await catalogueFor(deps, workflow, caller);
  let inputs: JobSpec['inputs'];
  try {
    const given = { prompt: wanted.prompt, ...sizeOf(workflow, wanted, limits), ...backgroundOf(workflow, wanted) };
    const filled = [...pictures.map(({ input }) => input), ...(maskAs === 'input' ? [MASK] : [])];
    inputs = deps.checkInputs(workflow, { catalogue, limits, inputs: given, sent: filled, isForm: false });
  } catch (error) {
    throw explain(error);
  }
  const level = lod ?? lodOfQuality(wanted) ?? (workflow.kind === 'workflow' ? undefined : 'mid');
  const files = [...pictures.map(({ file }) => file), mask].filter((file) => file !== undefined);
  const digests = files.map(({ field, file }) => [field, file.digest]);
  return submitJobs(deps, request, { ...wanted, files: digests }, async () => {
    const prepared = await preparePictures(task, workflow, sent);
    const same = { workflow, lod: level, files: prepared, pointers: IN_INPUTS, explain };
    const counts = countsFor(wanted.n ?? 1, maxPictures(workflow, limits));
    return counts.map((count): JobSpec => ({ ...same, inputs: { ...inputs, ...count } }));
  });
}

/** How many pictures one job of the workflow may make; undefined if the workflow has no input `count`. */
function maxPictures({ kind, inputs, bindings }: Workflow, { maxCount }: RequestLimits): number | undefined {
  const hasCount =
    inputs.some(({ name }) => name === 'count') || (kind !== 'workflow' && bindings.repeatAt !== undefined);
  return hasCount ? maxCount : undefined;
}

/** The input `count` for each job. */
function countsFor(pictures: number, most: number | undefined): readonly { readonly count?: number }[] {
  if (most === undefined) return Array.from({ length: pictures }, () => ({}));
  const jobs = Math.ceil(pictures / most);
  return Array.from({ length: jobs }, (_, index) => ({ count: Math.min(most, pictures - index * most) }));
}

function sizeOf(workflow: Workflow, { size = 'auto' }: ImagesRequest, { minSize, maxSize }: RequestLimits) {
  if (size === 'auto') return {};
  const [width = 0, height = 0] = size.split('x').map(Number);
  const fits = (length: number) => length >= minSize && length <= maxSize && length % SIZE_STEP === 0;
  if (!fits(width) || !fits(height)) {
    throw invalidField('size', `must have sides from ${minSize} to ${maxSize} that are multiples of ${SIZE_STEP}`);
  }
  const names = workflow.inputs.map(({ name }) => name);
  if (names.includes('width') && names.includes('height')) return { width, height };
  throw invalidField('size', `cannot be chosen with ${workflow.name}; leave it out, or send auto`);
}

function backgroundOf(workflow: Workflow, { background = 'auto', output_format }: ImagesRequest) {
  if (background === 'auto') return {};
  if (background === 'transparent' && output_format === 'jpeg')
    throw invalidField('background', 'needs the output_format png or webp');
  if (workflow.inputs.some(({ name }) => name === 'background')) return { background };
  if (background === 'opaque') return {};
  throw invalidField('background', `cannot be transparent with ${workflow.name}: it has no input "background"`);
}

/** Turns an error about workflow inputs into one about the parameters of the request. */
function atParams(workflow: Workflow, error: unknown): unknown {
  if (!(error instanceof FleetError) || error.errors.length === 0) return error;
  const params = new Map([
    ...pictureInputs(workflow).map(({ name }) => [name, 'image'] as const),
    ['prompt', 'prompt'],
    ['width', 'size'],
    ['height', 'size'],
    ['count', 'n'],
    ['background', 'background'],
    [MASK, MASK],
  ]);
  const errors = error.errors.map(({ pointer: at, detail }) => {
    const input = /^\/inputs\/([^/]+)/.exec(at)?.[1];
    if (input === undefined) return { pointer: at, detail };
    const param = params.get(input);
    if (param !== undefined) return { pointer: `/${param}`, detail };
    return { pointer: '', detail: `the input ${input} of ${workflow.name} ${detail}` };
  });
  const { code, detail, cause } = error;
  return new FleetError(code, detail, { errors, cause });
}
