import {
  FleetError,
  type GenerateRequest,
  type InputFile,
  type InputValue,
  type Lod,
  newId,
  type RequestLimits,
  type ResolvedRequest,
  type Webhook,
} from '@comfy-fleet/contracts';
import { type Accepted, isLargeText, type NewJob, reuseOf, textsOf } from '@comfy-fleet/jobs';
import { inSpan, setSpanAttributes, traceparentNow } from '@comfy-fleet/telemetry';
import {
  type Catalogue,
  encodingOf,
  isMedia,
  limitsFor,
  modelKindAt,
  modelPlaces,
  poolFor,
  randomSeed,
  resolveInputs,
  type Workflow,
} from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import { type FileRequest, resolveFiles } from '../files/resolve-files.js';
import { chargeUpload } from '../files/storage.js';
import type { KeyOffers } from '../models/offers.js';
import { withUrlInputs } from '../models/url-models.js';
import { fieldError } from '../server/field-errors.js';
import { type Caller, requireMayRun } from '../server/gate.js';
import { secondsToMidnight } from '../server/key-limits.js';
import type { ApiRequest, SentFile } from '../server/messages.js';
import { allOrNone } from '../server/turns.js';
import { catalogueFor } from '../workflows/find-workflow.js';
import { idempotencyOf } from './idempotency.js';
import type { Pointers } from './pointers.js';
import {
  refuseBeyondLimits,
  refuseFiles,
  refuseGraph,
  refuseImpossible,
  refuseLinkedModels,
  refuseNodes,
  withRewrittenFiles,
} from './refuse-job.js';
import { hasAllSeeds, withReusedOutputs } from './reuse-outputs.js';

/** How many jobs of one request are prepared at a time, since each may fetch files. */
const AT_ONCE = 4;

/** The job that an endpoint wants to create. Fields that come from the request body keep their names. */
export interface JobSpec extends Pick<NewJob, 'parent' | 'alias' | 'client' | 'origin' | 'listing'> {
  readonly workflow: Workflow;
  /** By name. A file is an asset, an output of a job, a URL, or a file in the input store. */
  readonly inputs?: Readonly<Record<string, unknown>>;
  /** The inputs come from the caller, and still have to be checked against the workflow's schema. `isForm`: as text. */
  readonly unchecked?: { readonly isForm: boolean };
  /** Files that came with the request, with their inputs. */
  readonly files?: readonly SentFile[];
  readonly lod?: Lod | undefined;
  readonly outputs?: readonly string[];
  readonly priority?: number | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly start_within_seconds?: number | undefined;
  readonly reuse?: boolean | undefined;
  readonly api_key_comfy_org?: string | undefined;
  readonly webhook?: GenerateRequest['webhook'] | undefined;
  readonly webhook_url?: string | undefined;
  /** The webhook of the job that this one repeats or refines; it replaces that of the request or key. null: no webhook. */
  readonly callback?: Webhook | null;
  /** For a graph: its node classes as the instances that may run the job describe them. */
  readonly catalogue?: Catalogue | undefined;
  /** For a graph that is run once; see openGraph. */
  readonly shape?: string;
  /** The graph has already been validated by ComfyUI's rules. */
  readonly isJudged?: boolean;
  /** The request of the job that this one repeats. It replaces inputs, files, lod, outputs, priority and metadata. */
  readonly resolved?: ResolvedRequest;
  /** Maps faults of the job to places in the request body. */
  readonly pointers: Pointers;
  /** Converts an error about this job for the API that received the request. */
  readonly explain?: (error: unknown) => unknown;
}

/** Options of the span in which jobs are accepted. The jobs' own spans belong to the same trace. */
const ACCEPTING = {
  kind: 'producer',
  attributes: { 'messaging.system': 'bullmq', 'messaging.operation.type': 'send' },
  isFault: (error: unknown) => !(error instanceof FleetError) || error.status >= 500,
} as const;

/**
 * Creates the jobs of one request, all or none. `content` is what the request asks for: the same content under the same
 * Idempotency-Key gets the first answer again, without a call of `specsOf`, which may fetch, decode and store files. Throws
 * what newJob and Ledger.orders.create throw, storage_full, overloaded, gpu_limit_reached, upload_limit_reached,
 * body_too_large, and unauthorized if the key was revoked meanwhile.
 */
export async function submitJobs(
  deps: Deps,
  request: ApiRequest,
  content: unknown,
  specsOf: () => Promise<readonly JobSpec[]> | readonly JobSpec[],
): Promise<Accepted> {
  const { ledger } = deps;
  const caller = request.caller;
  const isRepeatable = request.header('idempotency-key') !== undefined;
  const idempotency = isRepeatable ? await deps.computing(caller.id, () => idempotencyOf(request, content)) : undefined;
  const known = idempotency && (await ledger.orders.replay(caller.id, idempotency));
  if (known !== undefined) {
    deps.longJobs.noteOrder(request, known);
    return known;
  }
  await deps.requireSpace();
  return inSpan('job accept', ACCEPTING, async () => {
    const specs = await specsOf();
    await requireGpuTime(deps, caller, specs.length);
    const { holds } = request;
    const assets = new Map<unknown, Promise<InputFile>>();
    const tasks = specs.map((spec) => (signal: AbortSignal) => newJob(deps, spec, { caller, holds, assets, signal }));
    const made = await allOrNone(tasks, { atOnce: AT_ONCE, signal: request.signal });
    // Ids are assigned here, in the order of the request, because lists of jobs are sorted by id.
    const jobs = made.map((job) => ({ id: newId(), ...job }));
    refuseLargeOrigins(jobs, deps.config.workflows.maxOriginBytes);
    if (request.signal.aborted) throw new Error('the caller disconnected before jobs were created');
    await chargeUpload(deps, caller, largeBytes(jobs));
    // Jobs would outlast a key that was revoked, with all its jobs, while their request was read or their files fetched.
    await request.readmit();
    setSpanAttributes(spanAttributes(jobs));
    const accepted = await ledger.orders.create({
      jobs,
      caller: caller.id,
      weight: caller.weight,
      mostWaiting: caller.limits?.jobs_waiting,
      reserved: caller.limits && deps.config.access.keyLimits.jobsReserved,
      mostTaken: caller.limits?.jobs_running,
      mostGpuMs: gpuMsOf(caller),
      idempotency,
    });
    return jobs.some(({ reuse }) => reuse !== undefined) ? withReusedOutputs(deps, accepted, request) : accepted;
  });
}

function gpuMsOf({ limits }: Caller): number | undefined {
  const seconds = limits?.max_gpu_seconds_per_day;
  return seconds === undefined ? undefined : seconds * 1000;
}

/** Throws gpu_limit_reached if the jobs before the last new one are expected to use up the key's GPU time for today. */
async function requireGpuTime({ ledger }: Deps, caller: Caller, jobs: number): Promise<void> {
  const most = gpuMsOf(caller);
  if (most === undefined) return;
  const { spentMs, expectedMs, usualMs } = (await ledger.accounts.quotaStatus(caller.id)).gpu;
  if (spentMs + expectedMs + (jobs - 1) * usualMs < most) return;
  const detail = `This API key may use ${most / 1000} seconds of GPU time a day (UTC). Its jobs of today, open ones and these will take longer.`;
  throw new FleetError('gpu_limit_reached', detail, { retryAfterSeconds: secondsToMidnight() });
}

interface RequestContext extends Pick<ApiRequest, 'holds' | 'signal'>, Pick<FileRequest, 'assets'> {
  readonly caller: Caller;
}

/**
 * Checks a spec and turns it into a job. Every new job passes through here, including retries. Throws forbidden for a workflow
 * that the key may not run, no_able_instance, url_not_allowed, validation_failed by the rules of refuse-job, and what
 * resolveFiles throws.
 */
async function newJob(deps: Deps, spec: JobSpec, context: RequestContext): Promise<Omit<NewJob, 'id'>> {
  try {
    const { workflow, pointers, parent, alias, client, origin, listing } = spec;
    const { caller, signal } = context;
    const maxGpuSeconds = caller.limits?.max_gpu_seconds;
    requireMayRun(caller, workflow);
    const callback = spec.callback === undefined ? callbackOf(spec, caller, deps.webhookRefusal) : spec.callback;
    const limits = limitsFor(deps.config.limits, workflow, caller.gpuLimits);
    const asked = spec.resolved ? withoutRights(spec.resolved) : await resolve(deps, spec, limits, context);
    const pool = poolFor(workflow, asked.lod, deps.workflows.profiles);
    const offers = await deps.offers.to(caller);
    const known = await offers.choosable(pool, workflow.classes);
    const described = await offers.catalogue(pool, workflow.classes);
    const judging = { caller, described, pointers };
    const files = await refuseFiles(deps, workflow, asked, { ...judging, signal });
    await deps.computing(caller.id, () => {
      refuseImpossible(workflow, asked, pool, known, pointers);
      refuseNodes(deps, workflow, judging);
      refuseLinkedModels(workflow, offers, { ...judging, known });
    });
    // In a turn of its own, since both parts read the formulas of a graph, which may take 50 ms.
    const found = await deps.computing(caller.id, () =>
      refuseBeyondLimits(deps, workflow, asked, { ...judging, limits, files, beside: origin }),
    );
    const request = await withRewrittenFiles(deps, asked, files, { ...judging, signal });
    const { kind, version, text } = workflow;
    const models = modelPlaces(workflow, request);
    return {
      kind,
      request: {
        ...request,
        version,
        ...found,
        priority: Math.min(request.priority, caller.max_priority ?? request.priority),
        ...(maxGpuSeconds === undefined ? {} : { maxGpuSeconds }),
        ...(known.length === 0 ? denied(offers, models) : {}),
      },
      source: { version, text },
      models: [...new Set(models.map(({ file }) => file))],
      encoding: encodingOf(workflow, request),
      pool,
      startWithinMs: (spec.start_within_seconds ?? deps.config.limits.maxQueuedSeconds) * 1000,
      traceparent: traceparentNow(),
      comfyKey: spec.api_key_comfy_org,
      callback: callback ?? undefined,
      parent,
      alias,
      client,
      origin,
      listing,
      reuse: spec.reuse && hasAllSeeds(workflow, spec.inputs) ? reuseOf({ ...request, version }) : undefined,
    };
  } catch (error) {
    throw spec.explain === undefined ? error : spec.explain(error);
  }
}

/**
 * The webhook of the request, or else that of the key. `refusal` returns why a URL is not allowed. Throws url_not_allowed,
 * and validation_failed when a request names two webhooks.
 */
export function callbackOf(
  { webhook, webhook_url }: Pick<JobSpec, 'webhook' | 'webhook_url'>,
  caller: Caller,
  refusal: (url: string) => string | undefined,
): Webhook | undefined {
  if (webhook !== undefined && webhook_url !== undefined) {
    throw fieldError('validation_failed', '/webhook_url', 'give either webhook or webhook_url');
  }
  const own = webhook ?? (webhook_url === undefined ? undefined : { url: webhook_url });
  if (own !== undefined) {
    const fault = refusal(own.url);
    if (fault === undefined) return own;
    const pointer = webhook === undefined ? '/webhook_url' : '/webhook/url';
    throw fieldError('url_not_allowed', pointer, fault.replace(/\.$/, ''));
  }
  const { url, events } = caller.webhook ?? {};
  return url === undefined ? undefined : { url, ...(events === undefined ? {} : { events }) };
}

/** Determines the value of every input, and stores the job's files in the input store. */
async function resolve(
  deps: Deps,
  { workflow, inputs: asked = {}, files: sent = [], isJudged = false, pointers, ...spec }: JobSpec,
  limits: RequestLimits,
  context: RequestContext,
): Promise<ResolvedRequest> {
  const { lod, outputs, priority, metadata, shape, unchecked } = spec;
  const { caller } = context;
  const texts = await withUrlInputs(deps, workflow, asked, { caller, pointer: pointers.input });
  // Read after models were registered by their URLs.
  const catalogue = isJudged ? spec.catalogue : (spec.catalogue ?? (await catalogueFor(deps, workflow, caller)));
  const about = { catalogue, limits, inputs: texts, sent: sent.map(({ field }) => field) };
  const inputs =
    unchecked === undefined
      ? texts
      : await deps.computing(caller.id, () => deps.checkInputs(workflow, { ...about, ...unchecked }));
  const named: Record<string, unknown> = {};
  for (const { name, type } of workflow.inputs) {
    if (isMedia(type) && Object.hasOwn(inputs, name) && typeof inputs[name] !== 'object') named[name] = inputs[name];
  }
  const files = await resolveFiles(deps, { ...context, files: sent }, named, pointers.input);
  return deps.computing(caller.id, () => {
    const resolved = resolveInputs({
      workflow,
      profiles: deps.workflows.profiles,
      lod,
      inputs: { ...inputs, ...files } as Readonly<Record<string, InputValue>>,
      catalogue,
      shape,
      outputs,
      priority,
      metadata,
      pointer: pointers.input,
      randomSeed,
      limits,
    });
    if (!isJudged) refuseGraph(workflow, resolved, catalogue, pointers);
    return resolved;
  });
}

/**
 * While no instance is known, a job with unknown models is accepted and waits. So does one with models that do not exist
 * for its key, but no instance may run it.
 */
function denied(offers: KeyOffers, models: ReturnType<typeof modelPlaces>): Pick<ResolvedRequest, 'denied'> {
  const hidden = models.filter(({ className, input, file }) => offers.hides(modelKindAt(className, input), file));
  return hidden.length === 0 ? {} : { denied: [...new Set(hidden.map(({ file }) => file))] };
}

/** The request of an earlier job without what its key was allowed and denied then. */
function withoutRights({
  denied: _denied,
  maxGpuSeconds: _most,
  bounds: _bounds,
  ...request
}: ResolvedRequest): ResolvedRequest {
  return request;
}

/** Throws body_too_large when too much data is to be stored with a graph. */
function refuseLargeOrigins(jobs: readonly NewJob[], most: number): void {
  for (const { origin = '' } of jobs) {
    const bytes = Buffer.byteLength(origin);
    if (bytes <= most) continue;
    const detail = `The data to be stored with the graph (extra_data and the like) has ${bytes} bytes; at most ${most} are allowed.`;
    throw new FleetError('body_too_large', detail);
  }
}

/** How many bytes the jobs store as files. */
function largeBytes(jobs: readonly NewJob[]): number {
  const texts = jobs.flatMap(textsOf).map(([, text]) => text);
  return texts.reduce((sum, text) => sum + (isLargeText(text) ? Buffer.byteLength(text) : 0), 0);
}

function spanAttributes(jobs: readonly NewJob[]) {
  const [job] = jobs;
  if (job === undefined || jobs.length > 1) return { 'messaging.batch.message_count': jobs.length };
  const { id, kind, pool, request } = job;
  return {
    'comfy_fleet.job.id': id,
    'comfy_fleet.job.kind': kind,
    'comfy_fleet.lod': request.lod,
    'messaging.destination.name': pool,
  };
}
