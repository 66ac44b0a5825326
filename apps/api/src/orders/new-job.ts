import {
  type FieldError,
  FleetError,
  type GenerateRequest,
  type Img2ImgRequest,
  type InputFile,
  type JobKind,
  newId,
  type ParentJob,
  type PictureKind,
  type ResolvedRequest,
  type Webhook,
} from '@comfy-fleet/contracts';
import type { NewJob } from '@comfy-fleet/jobs';
import { traceparentNow } from '@comfy-fleet/telemetry';
import { classesOf, modelsOf, poolFor, randomSeed, resolveRequest } from '@comfy-fleet/workflows';
import type { Caller } from '../access/caller.js';
import type { Deps } from '../deps.js';
import { refuseImpossible } from '../requests/refuse-impossible.js';
import { workflowOf } from './workflow-of.js';

/**
 * Gives every parameter its final value; a priority above what the key may have is lowered to that. Throws
 * validation_failed for what no schema can say, no_able_instance for what no instance of the fleet can run.
 */
export async function resolve(
  deps: Deps,
  kind: PictureKind,
  request: GenerateRequest | Img2ImgRequest,
  { caller, input }: { readonly caller: Caller; readonly input?: InputFile },
): Promise<ResolvedRequest> {
  const { config, workflows } = deps;
  const workflow = workflows.byName.get(kind);
  if (workflow === undefined) throw new FleetError('internal_error', `There is no workflow ${kind}.`);
  const { profiles } = workflows;
  const resolved = resolveRequest({ workflow, profiles, request, input, randomSeed, limits: config.limits });
  await requireAble(deps, resolved);
  return atMostPriorityOf(resolved, caller);
}

/** With the priority that the key may have now. */
export function atMostPriorityOf(request: ResolvedRequest, caller: Caller | undefined): ResolvedRequest {
  const priority = Math.min(request.priority, caller?.maxPriority ?? request.priority);
  return { ...request, priority };
}

/** Throws no_able_instance for what no instance that is known can run. */
export async function requireAble(deps: Deps, resolved: ResolvedRequest): Promise<void> {
  const workflow = await workflowOf(deps, resolved);
  const pool = poolFor(workflow, resolved.lod, deps.workflows.profiles);
  refuseImpossible(workflow, resolved, pool, await deps.ledger.fleet.abilities(pool, classesOf([workflow])));
}

interface Wish {
  readonly start_within_seconds?: GenerateRequest['start_within_seconds'] | undefined;
  readonly callback?: Webhook | undefined;
  readonly parent?: ParentJob;
}

/** A job of a resolved request, for the ledger. */
export async function newJob(deps: Deps, kind: JobKind, request: ResolvedRequest, wish: Wish): Promise<NewJob> {
  const workflow = await workflowOf(deps, request);
  const { version, text } = workflow;
  return {
    id: newId(),
    kind,
    request: { ...request, version },
    source: { version, text },
    models: modelsOf(workflow, request),
    pool: poolFor(workflow, request.lod, deps.workflows.profiles),
    startWithinMs: (wish.start_within_seconds ?? deps.config.limits.maxQueuedSeconds) * 1000,
    callback: wish.callback,
    parent: wish.parent,
    traceparent: traceparentNow(),
  };
}

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
