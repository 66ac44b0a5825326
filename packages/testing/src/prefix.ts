import { randomUUID } from 'node:crypto';

/** A key prefix of its own for one test, with a Redis Cluster hash tag like the real one. */
export function uniquePrefix(): string {
  return `{test-${randomUUID()}}`;
}
