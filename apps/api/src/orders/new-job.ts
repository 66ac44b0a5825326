import {
  type FieldError,
  FleetError,
  type GenerateRequest,
  type Img2ImgRequest,
  type InputFile,
  newId,
  type ParentJob,
  type PictureKind,
  type RequestLimits,
  type ResolvedRequest,
  type Webhook,
} from '@comfy-fleet/contracts';
import type { NewJob } from '@comfy-fleet/jobs';
import { traceparentNow } from '@comfy-fleet/telemetry';
import { GRAPH, limitsFor, modelsOf, poolFor, randomSeed, resolveRequest, type Workflow } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';
import type { Caller } from '../server/caller.js';
import { requireMayRun } from '../server/rights.js';
import { findServed } from '../workflows/find-served.js';
import { type Pointers, pointersOf } from './pointers.js';
import { refuseBeyondLimits } from './refuse-beyond-limits.js';
import { refuseFiles } from './refuse-files.js';
import { refuseImpossible } from './refuse-impossible.js';
import { refuseNodes } from './refuse-nodes.js';

/** The job of POST /generate or /img2img. Throws validation_failed, no_able_instance, and forbidden. */
export async function pictureJob(
  deps: Deps,
  kind: PictureKind,
  request: GenerateRequest | Img2ImgRequest,
  { input, ...wish }: Wish & { readonly caller: Caller; readonly input?: InputFile },
): Promise<NewJob> {
  const { workflow } = findServed(deps.workflows, kind);
  const { profiles } = deps.workflows;
  const limits = pictureLimits(deps, kind, wish.caller);
  const resolved = resolveRequest({ workflow, profiles, request, input, randomSeed, limits });
  return ableJob(deps, workflow, resolved, wish);
}

/** What the key may ask of the workflow that POST /generate or /img2img runs. */
export function pictureLimits({ config, workflows }: Deps, kind: PictureKind, caller: Caller): RequestLimits {
  return limitsFor(config.limits, findServed(workflows, kind).workflow, caller.gpuLimits);
}

/**
 * A job of a workflow for the ledger, with no higher priority than the key may have. Every new job passes through here,
 * including retries. Throws no_able_instance for what no instance that is known can run, forbidden for a workflow that the
 * key may not run, and validation_failed for nodes that its own graphs may not contain, for what is beyond its limits, and
 * for files of another kind.
 */
export async function ableJob(
  deps: Deps,
  workflow: Workflow,
  request: ResolvedRequest,
  {
    caller,
    pointers = pointersOf(workflow),
    ...wish
  }: Wish & { readonly caller: Caller; readonly pointers?: Pointers },
): Promise<NewJob> {
  requireMayRun(caller, workflow);
  const pool = poolFor(workflow, request.lod, deps.workflows.profiles);
  const known = await deps.ledger.fleet.abilities(pool, workflow.classes);
  const described = await deps.ledger.fleet.catalogue(pool, workflow.classes);
  const limits = limitsFor(deps.config.limits, workflow, caller.gpuLimits);
  const isRestricted = workflow.name === GRAPH && caller.allowNodes !== undefined;
  await deps.computing(caller.id, () => {
    refuseImpossible(workflow, request, pool, known, pointers);
    refuseNodes(deps, workflow, { caller, described, pointers });
  });
  const files = await refuseFiles(deps, workflow, request, { caller, described, pointers });
  await deps.computing(caller.id, () =>
    refuseBeyondLimits(workflow, request, { limits, catalogue: described, pointers, files, isRestricted }),
  );
  const { kind, version, text } = workflow;
  const { start_within_seconds, labels, ...rest } = wish;
  return {
    id: newId(),
    kind,
    request: { ...withinRightsOf(request, caller), version },
    source: { version, text },
    models: modelsOf(workflow, request),
    pool,
    startWithinMs: (start_within_seconds ?? deps.config.limits.maxQueuedSeconds) * 1000,
    traceparent: traceparentNow(),
    ...rest,
    ...labels,
  };
}

/** With the priority and the longest execution that the key may have now. */
function withinRightsOf(
  { maxGpuSeconds: _before, ...request }: ResolvedRequest,
  { maxPriority = request.priority, maxGpuSeconds }: Caller,
): ResolvedRequest {
  const priority = Math.min(request.priority, maxPriority);
  return { ...request, priority, ...(maxGpuSeconds === undefined ? {} : { maxGpuSeconds }) };
}

interface Wish {
  readonly start_within_seconds?: GenerateRequest['start_within_seconds'] | undefined;
  readonly callback?: Webhook | undefined;
  readonly parent?: ParentJob;
  readonly comfyKey?: string | undefined;
  readonly labels?: Labels | undefined;
}

/** What an API of others keeps with a job that it orders. */
export type Labels = Pick<NewJob, 'alias' | 'client' | 'origin' | 'inOrder'>;

/**
 * Whom to notify of the job's end: whom the request names, else whom the key names. `refusal` says what is wrong with a
 * URL on its face. Throws url_not_allowed, and validation_failed when a request names two.
 */
export function callbackOf(
  { webhook, webhook_url }: Pick<GenerateRequest, 'webhook' | 'webhook_url'>,
  caller: Caller,
  refusal: (url: string) => string | undefined,
): Webhook | undefined {
  if (webhook !== undefined && webhook_url !== undefined) {
    throw refused('validation_failed', '/webhook_url', 'give either webhook or webhook_url');
  }
  const own = webhook ?? (webhook_url === undefined ? undefined : { url: webhook_url });
  if (own !== undefined) {
    const fault = refusal(own.url);
    if (fault === undefined) return own;
    throw refused('url_not_allowed', webhook === undefined ? '/webhook_url' : '/webhook/url', fault);
  }
  const { url, events } = caller.webhook ?? {};
  return url === undefined ? undefined : { url, ...(events === undefined ? {} : { events }) };
}

function refused(code: 'validation_failed' | 'url_not_allowed', pointer: string, fault: string): FleetError {
  const detail = fault.replace(/\.$/, '');
  const errors: FieldError[] = [{ pointer, detail }];
  return new FleetError(code, `${pointer} ${detail}.`, { errors });
}
