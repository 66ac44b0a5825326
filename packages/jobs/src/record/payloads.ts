import { addAbortSignal, type Readable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import { FleetError, joinSignals, orAborted } from '@comfy-fleet/contracts';
import type { Redis } from 'ioredis';
import type { Keys } from '../keys.js';

/** Larger graphs and origins are stored as files, and Redis keeps a reference: one caller's texts must not fill it. */
const MAX_INLINE_BYTES = 16 * 1024;
/** Longest time to read or write one of these files; a worker waits for a workflow a little longer. */
const FILE_TIMEOUT_MS = 8000;

/** All names of these files begin so, which sets them apart from other inputs. */
export const PAYLOAD_PREFIX = 'order-';
const GRAPH_FILE = /^order-graph-([0-9a-f]{64})\.json$/;
const ORIGIN_FILE = /^order-origin-([0-9a-f-]{36})\.json$/;
const REFERENCE = /^file (\S+) \d+$/;
/** No reference is longer. */
const MOST_REFERENCE_CHARS = 256;

/** Where these files are stored: for API, workers and dispatcher alike, the store of inputs. */
export interface PayloadFiles {
  put(name: string, source: Iterable<Uint8Array>, options: { readonly signal: AbortSignal }): Promise<unknown>;
  open(name: string): Promise<Readable | undefined>;
}

/** Large texts of orders. Both methods throw `storage_failed`. */
export interface Payloads {
  put(name: string, text: string): Promise<void>;
  /** The text that Redis keeps, or the file that it refers to; undefined if that is gone. */
  read(kept: string | null): Promise<string | undefined>;
}

export function isLargeText(text: string): boolean {
  return Buffer.byteLength(text) > MAX_INLINE_BYTES;
}

export function graphFile(version: string): string {
  return `${PAYLOAD_PREFIX}graph-${version}.json`;
}

export function originFile(jobId: string): string {
  return `${PAYLOAD_PREFIX}origin-${jobId}.json`;
}

/** What the file belongs to: a version of a workflow or a job's origin. */
function ownerOfPayload(name: string): { readonly version: string } | { readonly job: string } | undefined {
  const version = GRAPH_FILE.exec(name)?.[1];
  if (version !== undefined) return { version };
  const job = ORIGIN_FILE.exec(name)?.[1];
  return job === undefined ? undefined : { job };
}

/** What Redis keeps of the text: itself, or a reference to the file. Texts of ours are JSON, so neither looks like the other. */
export function inlineOrReference(text: string, file: string): string {
  return isLargeText(text) ? `file ${file} ${Buffer.byteLength(text)}` : text;
}

function isReference(kept: string): boolean {
  return REFERENCE.test(kept);
}

export function createPayloads(files: PayloadFiles): Payloads {
  return {
    put: (name, text) => withDeadline((signal) => files.put(name, [Buffer.from(text)], { signal })).then(() => {}),
    read: async (kept) => {
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
    throw new FleetError('storage_failed', 'The place where large graphs are stored does not work in time.', { cause });
  } finally {
    end();
  }
}

/** The files that nothing in Redis refers to. Files that are not named as ours are left out. */
export async function unusedPayloads(redis: Redis, keys: Keys, names: readonly string[]): Promise<string[]> {
  const unused = await Promise.all(
    names.map(async (name) => {
      const owner = ownerOfPayload(name);
      if (owner === undefined) return [];
      const key = 'version' in owner ? keys.version(owner.version) : keys.origin(owner.job);
      // A published workflow is in Redis itself, however large it is.
      return isReference(await redis.getrange(key, 0, MOST_REFERENCE_CHARS)) ? [] : [name];
    }),
  );
  return unused.flat();
}
