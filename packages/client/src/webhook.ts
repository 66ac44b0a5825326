import type { WebhookMessage } from './api-types.js';

/** The webhook is not from the fleet, is too old, or was changed in transit. */
export class WebhookVerificationError extends Error {
  override readonly name = 'WebhookVerificationError';
}

/** Headers as Node's servers and fetch have them. */
export type WebhookHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

/** A webhook further from the current time may be a replay. Standard Webhooks recommends 5 minutes. */
const TOLERANCE_S = 300;

/**
 * Verifies a webhook as Standard Webhooks specifies, and resolves to its message. `body` is the unmodified request body, and
 * `secret` the `whsec_…` that the fleet signs with. Rejects with WebhookVerificationError. A message may be delivered twice
 * with the same `webhook-id`.
 */
export async function verifyWebhook(secret: string, headers: WebhookHeaders, body: string): Promise<WebhookMessage> {
  const [id, timestamp, signatures] = (['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const).map((name) =>
    headerOf(headers, name),
  ) as [string, string, string];
  if (!/^\d+$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_S) {
    throw new WebhookVerificationError('The webhook-timestamp is not within five minutes of now.');
  }
  const key = await crypto.subtle.importKey('raw', secretBytes(secret), { name: 'HMAC', hash: 'SHA-256' }, false, [
    'verify',
  ]);
  const signed = new TextEncoder().encode(`${id}.${timestamp}.${body}`);
  for (const signature of signatures.split(' ')) {
    const bytes = signature.startsWith('v1,') ? base64(signature.slice(3)) : undefined;
    // crypto compares in constant time
    if (bytes !== undefined && (await crypto.subtle.verify('HMAC', key, bytes, signed))) {
      return JSON.parse(body) as WebhookMessage;
    }
  }
  throw new WebhookVerificationError('No webhook-signature matches this secret and body.');
}

function headerOf(headers: WebhookHeaders, name: string): string {
  const value = headers instanceof Headers ? headers.get(name) : headers[name];
  if (typeof value !== 'string') throw new WebhookVerificationError(`The header ${name} is missing.`);
  return value;
}

function secretBytes(secret: string): Uint8Array<ArrayBuffer> {
  const bytes = base64(secret.replace(/^whsec_/, ''));
  if (bytes === undefined) throw new TypeError('The secret must be whsec_ followed by base64.');
  return bytes;
}

function base64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}
