import { type ModelCopy, type ModelFaultCode, type ModelRecord, modelId } from '@comfy-fleet/contracts';
import type { ModelFault } from './faults.js';

const FIRST_RETRY_MS = 10_000;
const LONGEST_RETRY_MS = 600_000;
/** For the URL of a caller whose content is wrong: fetching it again would cost the host more than the caller. */
const WRONG_CONTENT_MS = 3_600_000;
const WRONG_CONTENT: ReadonlySet<ModelFaultCode> = new Set([
  'not_a_model',
  'pickle',
  'wrong_hash',
  'wrong_size',
  'too_large',
]);

/** When models whose fetches failed are tried again: after pauses that grow, or when somebody changes something. */
export class Retries {
  readonly #failures = new Map<string, { readonly count: number; readonly cause: string }>();

  /** The copy of a model whose fetch has failed. */
  failed(record: ModelRecord, { code, detail, retryAfterMs = 0, bytes = record.bytes ?? 0 }: ModelFault): ModelCopy {
    const id = modelId(record);
    const cause = causeOf(record);
    const before = this.#failures.get(id);
    const count = before?.cause === cause ? before.count + 1 : 1;
    this.#failures.set(id, { count, cause });
    const at = Date.now();
    const growingMs = Math.min(FIRST_RETRY_MS * 2 ** (count - 1), LONGEST_RETRY_MS);
    const leastMs = record.by_url && WRONG_CONTENT.has(code) ? WRONG_CONTENT_MS : 0;
    const pauseMs = Math.max(retryAfterMs, growingMs, leastMs);
    // Without space the planner decides when there is some.
    const retry = code === 'no_space' ? {} : { retry_at: at + pauseMs };
    return {
      ...{ state: 'failed', bytes, fetched: 0, used_at: 0, is_ours: false },
      error: { code, detail, at, ...retry },
    };
  }

  succeeded(record: ModelRecord): void {
    this.#failures.delete(modelId(record));
  }

  /** Whether the model was changed since its fetch failed, or somebody has asked for it again. */
  isOver(record: ModelRecord): boolean {
    const failure = this.#failures.get(modelId(record));
    if (failure === undefined || failure.cause === causeOf(record)) return false;
    this.#failures.delete(modelId(record));
    return true;
  }
}

function causeOf({ sources, sha256, bytes, fetch_asked_at }: ModelRecord): string {
  return JSON.stringify([sources, sha256, bytes, fetch_asked_at]);
}
