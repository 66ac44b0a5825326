import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import {
  batchGraphSchema,
  batchJobSchema,
  batchWorkflowSchema,
  type FieldError,
  FleetError,
  type GenerateRequest,
  type InputFile,
} from '@comfy-fleet/contracts';
import type { Static } from 'typebox';
import type { Deps } from '../../deps.js';
import { findFrame } from '../../files/find-picture.js';
import { keepPicture } from '../../files/keep-picture.js';
import { graphSpec, pictureLimits, pictureSpec } from '../../orders/job-specs.js';
import { REPLAYED } from '../../orders/order-job.js';
import { IN_INPUTS } from '../../orders/pointers.js';
import { callbackOf, type JobSpec, submitJobs } from '../../orders/submit-jobs.js';
import { MOST_FAULTS } from '../../server/field-errors.js';
import { type Caller, requireScope } from '../../server/gate.js';
import type { ApiRequest, Handler } from '../../server/messages.js';
import { allOrNone, createTurns } from '../../server/turns.js';
import { createLimitedValidator, createValidator, refuseFaults, type Validator } from '../../server/validator.js';
import { findServed } from '../../workflows/find-workflow.js';
import { createGraphValidator } from '../workflows/run-workflow.js';

/** How many entries are turned into specs at a time: each may decode a picture. */
const AT_ONCE = 4;
/** How many entries are checked before yielding to other requests: a thousand take a tenth of a second. */
const ENTRIES_OF_A_STEP = 50;

/** How many batches of a key may wait behind the one in work. A thousand jobs keep a process and Redis busy for seconds. */
const MOST_WAITING = 50;

const KINDS = ['text2img', 'img2img', 'workflow', 'graph'] as const;
type Kind = (typeof KINDS)[number];

type PictureEntry = GenerateRequest & { readonly kind?: 'text2img' | 'img2img'; readonly source?: string };
type Entry =
  | PictureEntry
  | Static<ReturnType<typeof batchWorkflowSchema>>
  | Static<ReturnType<typeof batchGraphSchema>>;

/** Creates many jobs in one request, all or none. One fault refuses the whole batch; the error lists each with its place. */
export function batch(deps: Deps): Handler {
  const { config } = deps;
  const faultsOf = createEntryCheck(deps);
  const turns = createTurns(Infinity, { ofKey: 1, waiting: MOST_WAITING });
  return async (request) => {
    const entries = entriesOf(request.body, config.http.maxBatchJobs);
    const { caller } = request;
    const faults: FieldError[] = [];
    for (const [index, entry] of entries.entries()) {
      if (index % ENTRIES_OF_A_STEP === 0) await yieldToEventLoop();
      faults.push(...placed(faultsOf(entry, caller), index));
      if (faults.length >= MOST_FAULTS) break;
    }
    refuseFaults(faults.slice(0, MOST_FAULTS));
    const submit = () => submitJobs(deps, request, { jobs: entries }, () => specsOf(deps, entries as Entry[], request));
    const { replayed, ids } = await turns(caller.id, submit, { signal: request.signal });
    const publicUrl = config.http.publicUrl ?? '';
    const data = ids.map((id) => ({ id, urls: { self: `${publicUrl}/jobs/${id}` } }));
    return { status: 202, headers: replayed ? REPLAYED : {}, body: { data } };
  };
}

/** Makes a function that finds the faults of one entry. */
function createEntryCheck(deps: Deps): (entry: unknown, caller: Caller) => FieldError[] {
  const text2img = createLimitedValidator(batchJobSchema.text2img);
  const img2img = createLimitedValidator(batchJobSchema.img2img);
  const workflow = createValidator(batchWorkflowSchema(deps.config.limits));
  const graph = createGraphValidator(batchGraphSchema(deps.config.limits));
  const validators: Readonly<Record<Kind, (caller: Caller) => Validator<unknown>>> = {
    text2img: (caller) => text2img(pictureLimits(deps, 'text2img', caller)),
    img2img: (caller) => img2img(pictureLimits(deps, 'img2img', caller)),
    workflow: () => workflow,
    graph: () => graph,
  };
  return (entry, caller) => {
    const { kind = 'text2img' } = Object(entry) as { kind?: unknown };
    const known = KINDS.find((one) => one === kind);
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry) || known === undefined) {
      const detail = `must be a job: an object of its fields, with kind ${KINDS.join(', ')}`;
      return [{ pointer: '', detail }];
    }
    return validators[known](caller)(entry, { isForm: false }).errors;
  };
}

function entriesOf(body: unknown, most: number): unknown[] {
  const { jobs, ...others } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const unknown = Object.keys(others)
    .slice(0, MOST_FAULTS)
    .map((name) => ({
      pointer: `/${name}`,
      detail: 'unknown field; the field is jobs',
    }));
  const count = Array.isArray(jobs) ? jobs.length : 0;
  const fault = { pointer: '/jobs', detail: `must be an array of 1 to ${most} jobs` };
  refuseFaults(count < 1 || count > most ? [...unknown, fault] : unknown);
  return jobs as unknown[];
}

function placed(errors: readonly FieldError[], index: number): FieldError[] {
  return errors.map(({ pointer, detail }) => ({ pointer: `/jobs/${index}${pointer}`, detail }));
}

async function specsOf(deps: Deps, entries: readonly Entry[], request: ApiRequest): Promise<JobSpec[]> {
  const pictures = new Map<string, Promise<InputFile>>();
  const pictureOf = (source: string): Promise<InputFile> => {
    const known = pictures.get(source) ?? storedInput(deps, source, request);
    pictures.set(source, known);
    return known;
  };
  const tasks = entries.map((entry, index) => async (): Promise<JobSpec> => {
    const explain = (error: unknown) => inEntry(error, index);
    try {
      return { ...(await specOf(deps, entry, request.caller, pictureOf)), explain };
    } catch (error) {
      throw explain(error);
    }
  });
  return allOrNone(tasks, { atOnce: AT_ONCE, signal: request.signal });
}

/** Adds the place of the entry to its error. */
function inEntry(error: unknown, index: number): unknown {
  if (!(error instanceof FleetError)) return error;
  const ofEntry = error.code === 'forbidden' ? [{ pointer: '', detail: error.detail }] : [];
  const errors = placed(error.errors.length > 0 ? error.errors : ofEntry, index);
  if (errors.length === 0) return error;
  return new FleetError(error.code, `/jobs/${index}: ${error.detail}`, { errors });
}

async function specOf(
  deps: Deps,
  entry: Entry,
  caller: Caller,
  pictureOf: (source: string) => Promise<InputFile>,
): Promise<JobSpec> {
  if (entry.kind === 'graph') {
    requireScope(caller, 'graphs');
    return { ...entry, ...(await graphSpec(deps, entry.graph, caller)) };
  }
  if (entry.kind === 'workflow') {
    const workflow = servedWorkflow(deps, entry.workflow, caller);
    return { ...entry, workflow, unchecked: { isForm: false }, pointers: IN_INPUTS };
  }
  const { source } = entry;
  if (source === undefined) return pictureSpec(deps, 'text2img', entry);
  // The webhook is checked first, so that no picture is stored for an entry with an invalid one.
  const callback = callbackOf(entry, caller, deps.webhookRefusal) ?? null;
  return pictureSpec(deps, 'img2img', entry, { input: await pictureOf(source), callback });
}

/** Turns workflow_not_found into validation_failed: a 404 would mean that the URL of the batch is wrong. */
function servedWorkflow({ workflows }: Deps, name: string, caller: Caller) {
  try {
    return findServed(workflows, name, caller).workflow;
  } catch (error) {
    if (!(error instanceof FleetError) || error.code !== 'workflow_not_found') throw error;
    const { detail } = error;
    throw new FleetError('validation_failed', detail, { errors: [{ pointer: '/workflow', detail }] });
  }
}

/** Stores the frame as an input before the jobs are created, because a worker may claim them at once. */
async function storedInput(deps: Deps, source: string, request: ApiRequest): Promise<InputFile> {
  const frame = () => findFrame(deps, source, request.caller);
  return { ...(await keepPicture(deps, frame, request, '/source')), source };
}
