import { hash } from 'node:crypto';
import type { RequestLimits, ResolvedRequest } from '@comfy-fleet/contracts';
import { basisOfDemand, type Catalogue, type Workflow } from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';

/** Requests of published workflows that were found within their limits, and the catalogue by which they were judged. */
export type WithinLimits = LRUCache<string, { readonly described: Catalogue | undefined }>;

/** Each takes some hundred bytes. */
const MOST_WITHIN = 2000;

export function createWithinLimits(): WithinLimits {
  return new LRUCache({ max: MOST_WITHIN });
}

/** Names everything besides the catalogue on which the judgement depends. */
export function judgementId(workflow: Workflow, request: ResolvedRequest, limits: RequestLimits): string {
  return hash('sha256', JSON.stringify([basisOfDemand(workflow, request), limits]), 'base64url');
}
