import { createTurns, type Turns } from './turns.js';

/** Lists and histories that one process reads at a time, of all keys. */
const MOST_AT_ONCE = 4;
/** Reads of one key at a time. A read lasts until its answer is sent, since a slow client keeps it in memory. */
const MOST_OF_KEY = 2;
/** Requests of one key that wait for their turn. */
const MOST_WAITING = 50;

/**
 * Gives lists and histories of a key their turn, so that one key with large jobs neither fills the memory nor delays the
 * requests of others.
 */
export function createHeavyReads(): Turns {
  return createTurns(MOST_AT_ONCE, { ofKey: MOST_OF_KEY, waiting: MOST_WAITING });
}
