import { addAbortSignal, type Readable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import { FleetError, joinSignals, orAborted } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** Larger graphs and origins are stored as files and referenced in Redis, so that one caller's texts cannot fill it. */
const MAX_INLINE_BYTES = 16 * 1024;
/** Timeout for reading or writing one file. Workers wait for a workflow a little longer. */
const FILE_TIMEOUT_MS = 8000;

/** Prefix of the names of these files, which distinguishes them from other inputs. */
export const PAYLOAD_PREFIX = 'order-';
const FILE = /^order-(graph|origin)-([0-9a-f-]{36})\.json$/;
const REFERENCE = /^file (\S+) \d+$/;

/** Where these files are stored: in the store of inputs, for the API, workers and dispatchers alike. */
export interface PayloadFiles {
  put(name: string, source: Iterable<Uint8Array>, options: { readonly signal: AbortSignal }): Promise<unknown>;
  open(name: string): Promise<Readable | undefined>;
}

/** Reads and writes large texts of orders. Both methods throw `storage_failed`. */
export type Payloads = ReturnType<typeof createPayloads>;

export function isLargeText(text: string): boolean {
  return Buffer.byteLength(text) > MAX_INLINE_BYTES;
}

/** A text that is stored with its job. */
export type TextKind = 'graph' | 'origin';

export function payloadFile(kind: TextKind, jobId: string): string {
  return `${PAYLOAD_PREFIX}${kind}-${jobId}.json`;
}

/**
 * What Redis stores for a text: the text itself, or a reference to its file. Our texts are JSON, so the two cannot be
 * confused.
 */
export function inlineOrReference(text: string, file: string): string {
  return isLargeText(text) ? `file ${file} ${Buffer.byteLength(text)}` : text;
}

export function createPayloads(files: PayloadFiles) {
  return {
    put: async (name: string, text: string): Promise<void> => {
      await withDeadline((signal) => files.put(name, [Buffer.from(text)], { signal }));
    },
    /** Resolves what Redis stored: returns the text, or the content of the referenced file. Undefined if it is gone. */
    read: async (kept: string | null): Promise<string | undefined> => {
      const name = REFERENCE.exec(kept ?? '')?.[1];
      if (name === undefined) return kept ?? undefined;
      return withDeadline(async (signal) => {
        const stream = await orAborted(files.open(name), signal);
        return stream && textOf(addAbortSignal(signal, stream));
      });
    },
  };
}

async function withDeadline<T>(step: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { signal, end } = joinSignals([], { ms: FILE_TIMEOUT_MS });
  try {
    return await step(signal);
  } catch (cause) {
    if (cause instanceof FleetError) throw cause;
    throw new FleetError('storage_failed', 'The store of large graphs did not respond in time.', { cause });
  } finally {
    end();
  }
}

/** The files that nothing in Redis refers to. Files with other names are ignored. */
export async function unusedPayloads(redis: Redis, keys: Keys, names: readonly string[]): Promise<string[]> {
  const unused = await Promise.all(
    names.map(async (name) => {
      const [, kind = '', job = ''] = FILE.exec(name) ?? [];
      return kind === '' || (await redis.hexists(keys.texts(job), kind)) === 1 ? [] : [name];
    }),
  );
  return unused.flat();
}
