import { createHash } from 'node:crypto';
import { FleetError } from '@comfy-fleet/contracts';
import type { NewOrder } from '@comfy-fleet/jobs';
import { showJson } from '@comfy-fleet/workflows';
import type { ApiRequest } from '../server/messages.js';

const MAX_KEY_CHARS = 255;

/**
 * The Idempotency-Key of a request, and a fingerprint of its path and of `wish`, the validated body with pictures by their
 * digests. Undefined without the header. Throws validation_failed for one that is no key.
 */
export function idempotencyOf({ header, path }: ApiRequest, wish: unknown): NewOrder['idempotency'] {
  const key = idempotencyDigest(header('idempotency-key'));
  return key === undefined ? undefined : { digest: key, fingerprint: digest(showJson([path, ordered(wish)])) };
}

/** The digest of an Idempotency-Key. Keys of different families do not collide. Throws validation_failed. */
export function idempotencyDigest(key: string | undefined, family = ''): string | undefined {
  if (key === undefined) return undefined;
  if (/^[\x21-\x7e]+$/.test(key) && key.length <= MAX_KEY_CHARS)
    return digest(family === '' ? key : `${family} ${key}`);
  const detail = `The Idempotency-Key must have 1 to ${MAX_KEY_CHARS} visible ASCII characters, without spaces.`;
  throw new FleetError('validation_failed', detail);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The same value with the fields of every object in one order: a client may write them in another one next time. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, part]) => [name, ordered(part)]));
}
