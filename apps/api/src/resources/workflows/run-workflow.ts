import { graphRequestSchema, runRequestSchema } from '@comfy-fleet/contracts';
import Type, { type Static, type TObject } from 'typebox';
import type { Deps } from '../../deps.js';
import { graphSpec } from '../../orders/job-specs.js';
import { orderJob } from '../../orders/order-job.js';
import { IN_INPUTS } from '../../orders/pointers.js';
import { requireMayRun } from '../../server/gate.js';
import type { ApiRequest, Handler } from '../../server/messages.js';
import { createValidator, refuseFaults, type Validator } from '../../server/validator.js';
import { findServed, findVersionToRun } from '../../workflows/find-workflow.js';

/** Runs a workflow with named inputs. Files are given by reference, or in a form under the names of their inputs. */
export function runWorkflow(deps: Deps): Handler {
  const fields = runRequestSchema(deps.config.limits);
  const validate = createValidator(fields);
  return async (request) => {
    const { caller, files, isForm, params } = request;
    const { name = '' } = params;
    const { order, own } = runBody(request, fields);
    const newest = Object(order).version === undefined ? findServed(deps.workflows, name, caller).workflow : undefined;
    requireMayRun(caller, { name });
    const { value, errors } = validate(order, request);
    refuseFaults(errors);
    const { version = '' } = value;
    const workflow = newest ?? (await findVersionToRun(deps, { name, version, caller }));
    const inputs = { ...value.inputs, ...own };
    const digests = files.map(({ field, file }) => [field, file.digest] as const);
    const requested = { ...value, inputs: { ...inputs, ...Object.fromEntries(digests) } };
    const spec = { ...value, workflow, inputs, unchecked: { isForm }, files, pointers: IN_INPUTS };
    return orderJob(deps, request, requested, () => spec);
  };
}

/**
 * Separates the run options of a body from its inputs. In a form, every field that is not a run option is an input, in
 * addition to the inputs in the field `inputs`.
 */
function runBody({ body, isForm }: Pick<ApiRequest, 'body' | 'isForm'>, { properties }: TObject) {
  const fields = Object.entries((body ?? {}) as Record<string, unknown>);
  if (!isForm) return { order: body, own: {} };
  const isOfOrder = ([name]: readonly [string, unknown]) => Object.hasOwn(properties, name);
  return {
    order: Object.fromEntries(fields.filter(isOfOrder)),
    own: Object.fromEntries(fields.filter((field) => !isOfOrder(field))),
  };
}

/** Runs the caller's own graph once, unchanged. */
export function runGraph(deps: Deps): Handler {
  const validate = createGraphValidator(graphRequestSchema(deps.config.limits));
  return async (request) => {
    const { value, errors } = validate(request.body, request);
    refuseFaults(errors);
    const { graph } = value;
    return orderJob(deps, request, value, async () => ({
      ...value,
      ...(await graphSpec(deps, graph, request.caller)),
    }));
  };
}

/** Checks everything beside a graph, which is checked when it is opened. */
export function createGraphValidator<T extends TObject>({ properties }: T): Validator<Static<T>> {
  const { graph: _opened, ...fields } = properties;
  const validate = createValidator(Type.Object(fields, { additionalProperties: false }));
  return (body, options) => {
    const { graph, ...rest } = Object(body) as Readonly<Record<string, unknown>>;
    const { errors } = validate(rest, options);
    const lacking = graph === undefined ? [{ pointer: '/graph', detail: 'is required' }] : [];
    return { value: body as Static<T>, errors: [...errors, ...lacking] };
  };
}
