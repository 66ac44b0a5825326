import type { Abortable } from './transport.js';

export interface OrderOptions extends Abortable {
  /** A key of your own, so that an order of yours that is sent again by another process makes no second job. */
  readonly idempotencyKey?: string;
}

/** Makes a POST one that can be sent again, without a second job: see docs/api.md. */
export function idempotencyKey(given?: string): { 'idempotency-key': string } {
  return { 'idempotency-key': given ?? crypto.randomUUID() };
}
