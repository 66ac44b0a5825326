import { createHash } from 'node:crypto';

/**
 * The Idempotency-Key of a row: the same whenever the same row of the file is run again, wherever it stands by then, so that
 * no job is made twice. Rows that ask for the same are told apart by `nth`, tries of one whose job ended badly by `attempt`.
 */
export function lineKey(file: string, identity: string, nth: number, attempt: number): string {
  return createHash('sha256')
    .update(JSON.stringify([file, identity, nth, attempt]))
    .digest('hex');
}
