import { FleetError, type RequestLimits, SIZE_STEP } from '@comfy-fleet/contracts';
import type { Workflow } from '@comfy-fleet/workflows';
import type { ImagesRequest } from './images-request.js';
import { MASK, pictureInputs } from './models.js';

/** The values that a request gives to the inputs of its workflow. Throws validation_failed for what it cannot do. */
export function inputsFor(
  workflow: Workflow,
  request: ImagesRequest,
  limits: RequestLimits,
): Readonly<Record<string, string | number>> {
  return { prompt: request.prompt, ...sizeOf(workflow, request, limits), ...backgroundOf(workflow, request) };
}

/** How many pictures a job of the workflow can be told to make, at most; undefined: it cannot be told. */
export function mostPictures({ kind, inputs, bindings }: Workflow, { maxCount }: RequestLimits): number | undefined {
  const counts =
    inputs.some(({ name }) => name === 'count') || (kind !== 'workflow' && bindings.repeatAt !== undefined);
  return counts ? maxCount : undefined;
}

function sizeOf(workflow: Workflow, { size = 'auto' }: ImagesRequest, { minSize, maxSize }: RequestLimits) {
  if (size === 'auto') return {};
  const [width = 0, height = 0] = size.split('x').map(Number);
  const fits = (length: number) => length >= minSize && length <= maxSize && length % SIZE_STEP === 0;
  if (!fits(width) || !fits(height)) {
    throw fault('size', `must have sides from ${minSize} to ${maxSize} that are multiples of ${SIZE_STEP}`);
  }
  const names = workflow.inputs.map(({ name }) => name);
  if (names.includes('width') && names.includes('height')) return { width, height };
  throw fault('size', `cannot be chosen with ${workflow.name}; leave it out, or send auto`);
}

function backgroundOf(workflow: Workflow, { background = 'auto', output_format }: ImagesRequest) {
  if (background === 'auto') return {};
  if (background === 'transparent' && output_format === 'jpeg') throw fault('background', 'needs a png or webp');
  if (workflow.inputs.some(({ name }) => name === 'background')) return { background };
  if (background === 'opaque') return {};
  throw fault('background', `cannot be transparent with ${workflow.name}: it has no input "background"`);
}

/** Where in a request the value of a workflow's input stands. */
function pointerFor(workflow: Workflow): (input: string) => string {
  const pictures = pictureInputs(workflow).map(({ name }) => name);
  const places: Readonly<Record<string, string>> = {
    ...Object.fromEntries(pictures.map((name) => [name, '/image'])),
    prompt: '/prompt',
    width: '/size',
    height: '/size',
    count: '/n',
    background: '/background',
    [MASK]: '/mask',
  };
  return (input) => places[input] ?? '';
}

/** An error about inputs of the workflow as one about the fields of the request. */
export function aboutFields(workflow: Workflow, error: unknown): unknown {
  if (!(error instanceof FleetError) || error.errors.length === 0) return error;
  const pointer = pointerFor(workflow);
  const errors = error.errors.map(({ pointer: at, detail }) => {
    const input = /^\/inputs\/([^/]+)/.exec(at)?.[1];
    if (input === undefined) return { pointer: at, detail };
    const place = pointer(input);
    return { pointer: place, detail: place === '' ? `the input ${input} of ${workflow.name} ${detail}` : detail };
  });
  const { code, detail, cause } = error;
  return new FleetError(code, detail, { errors, cause });
}

export function fault(param: string, detail: string): FleetError {
  return new FleetError('validation_failed', `${param} ${detail}.`, { errors: [{ pointer: `/${param}`, detail }] });
}
