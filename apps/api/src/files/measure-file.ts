import type { InputFile } from '@comfy-fleet/contracts';
import { LRUCache } from 'lru-cache';
import { Undecodable } from '../decoding/children.js';
import type { Measured } from '../decoding/measure.js';
import type { Decoder } from '../decoding/tasks.js';
import type { Turns } from '../server/turns.js';

/** How many measurements are cached, with a few hundred bytes each. */
const MOST_KEPT = 10_000;

/**
 * Measures a file in the input store when it is the key's turn; undefined if it is not a picture, video or sound. Throws the
 * signal's reason if it aborts first.
 */
export type MeasureFile = (key: string, file: InputFile, signal: AbortSignal) => Promise<Measured | undefined>;

interface MeasureOptions {
  readonly decoder: Pick<Decoder, 'measure'>;
  readonly decoding: Turns;
  /** Limit for pictures other than PNG and JPEG. */
  readonly maxBytes: number;
}

/** Results are cached by file name, which is the hash of the content. */
export function createFileMeasures({ decoder, decoding, maxBytes }: MeasureOptions): MeasureFile {
  const known = new LRUCache<string, Measured, InputFile>({
    max: MOST_KEPT,
    fetchMethod: (_name, _stale, { context: file }) => decoder.measure(file, maxBytes),
  });
  const measured = (file: InputFile) =>
    known.fetch(file.name, { context: file }).catch((error: unknown) => {
      // Not cached, since a slow disk or a machine without memory may be the cause.
      if (error instanceof Undecodable) return { fault: error.why };
      throw error;
    });
  // Each key waits for its own turn, also for a file that another key is waiting to have measured.
  return async (key, file, signal) => known.get(file.name) ?? decoding(key, () => measured(file), { signal });
}
