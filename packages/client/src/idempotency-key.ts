/** Makes a POST one that can be sent again, without a second job: see docs/api.md. */
export function idempotencyKey(given?: string): { 'idempotency-key': string } {
  return { 'idempotency-key': given ?? crypto.randomUUID() };
}
