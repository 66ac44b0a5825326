import { createHash } from 'node:crypto';
import { FleetError } from '@comfy-fleet/contracts';
import type { NewOrder } from '@comfy-fleet/jobs';
import { showJson } from '@comfy-fleet/workflows';
import type { ApiRequest } from '../server/messages.js';

const MAX_KEY_CHARS = 255;

/**
 * The digest of a request's Idempotency-Key and a fingerprint of its path and `content`, the validated body with digests in
 * place of pictures. Undefined without the header. Throws validation_failed for an invalid key.
 */
export function idempotencyOf({ header, path }: ApiRequest, content: unknown): NewOrder['idempotency'] {
  const key = header('idempotency-key');
  if (key === undefined) return undefined;
  if (!/^[\x21-\x7e]+$/.test(key) || key.length > MAX_KEY_CHARS) {
    const detail = `The Idempotency-Key must have 1 to ${MAX_KEY_CHARS} visible ASCII characters, without spaces.`;
    throw new FleetError('validation_failed', detail);
  }
  return { digest: digest(key), fingerprint: digest(showJson([path, ordered(content)])) };
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The value with the fields of every object sorted, since a client may send them in a different order next time. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, part]) => [name, ordered(part)]));
}
