import {
  type GenerateRequest,
  type JobKind,
  newId,
  type ParentJob,
  type ResolvedRequest,
  type Webhook,
} from '@comfy-fleet/contracts';
import type { NewJob } from '@comfy-fleet/jobs';
import { traceparentNow } from '@comfy-fleet/telemetry';
import { poolFor } from '@comfy-fleet/workflows';
import type { Deps } from '../deps.js';

interface Wish {
  readonly start_within_seconds?: GenerateRequest['start_within_seconds'] | undefined;
  readonly callback?: Webhook | undefined;
  readonly parent?: ParentJob;
}

/** A job of a resolved request, for the ledger. */
export function newJob({ config, workflows }: Deps, kind: JobKind, request: ResolvedRequest, wish: Wish): NewJob {
  return {
    id: newId(),
    kind,
    request,
    rankStep: workflows.profiles[request.lod].rankStep,
    pool: poolFor(request, workflows),
    startWithinMs: (wish.start_within_seconds ?? config.limits.maxQueuedSeconds) * 1000,
    callback: wish.callback,
    parent: wish.parent,
    traceparent: traceparentNow(),
  };
}
