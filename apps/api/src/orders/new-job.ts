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
import { classesOf, modelsOf, poolFor, randomSeed, resolveRequest, type Workflow } from '@comfy-fleet/workflows';
import type { Caller } from '../access/caller.js';
import type { Deps } from '../deps.js';
import { refuseImpossible } from '../requests/refuse-impossible.js';

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
export async function requireAble({ workflows, ledger: { fleet } }: Deps, resolved: ResolvedRequest): Promise<void> {
  const workflow = workflows.byName.get(resolved.workflow);
  if (workflow === undefined) return;
  const pool = poolFor(workflow, resolved.lod, workflows.profiles);
  refuseImpossible(workflow, resolved, pool, await fleet.abilities(pool, classesOf([workflow])));
}

interface Wish {
  readonly start_within_seconds?: GenerateRequest['start_within_seconds'] | undefined;
  readonly callback?: Webhook | undefined;
  readonly parent?: ParentJob;
}

/** A job of a resolved request, for the ledger. */
export function newJob({ config, workflows }: Deps, kind: JobKind, request: ResolvedRequest, wish: Wish): NewJob {
  const workflow = workflows.byName.get(request.workflow);
  return {
    id: newId(),
    kind,
    request,
    ...(workflow !== undefined && workflow.version === request.version ? { source: sourceOf(workflow) } : {}),
    models: workflow === undefined ? [] : modelsOf(workflow, request),
    pool: poolFor(workflow, request.lod, workflows.profiles),
    startWithinMs: (wish.start_within_seconds ?? config.limits.maxQueuedSeconds) * 1000,
    callback: wish.callback,
    parent: wish.parent,
    traceparent: traceparentNow(),
  };
}

/** What it runs travels with it. */
const sourceOf = ({ version, text }: Workflow) => ({ version, text });

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
