import type { Readable } from 'node:stream';

export interface FrameInfo {
  readonly bytes: number;
  readonly modifiedAt: Date;
  /** Lower-case hexadecimal digest of the content. */
  readonly sha256: string;
}

/** The bytes from `start` to `end`, both counted from 0 and both included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Where pictures live. Streams in, streams out, never a path: an object store can stand behind it as well as a folder.
 * A name that could not have been stored here is an absent picture to `stat`, `open` and `delete`.
 */
export interface FrameStore {
  /**
   * Stores the whole content under `name`, or nothing: a reader sees the old picture or the new one, never a part, and
   * what was put survives a power cut. Throws storage_failed (disk full, no permission, …); what `source` throws and
   * the signal's reason are passed on as they are.
   */
  put(
    name: string,
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly bytes: number; readonly sha256: string }>;

  /** What is stored under `name`; undefined when there is nothing. */
  stat(name: string): Promise<FrameInfo | undefined>;

  /** A stream of the content; undefined when there is nothing. The caller reads it to its end or destroys it. */
  open(name: string, range?: ByteRange): Promise<Readable | undefined>;

  /** Removes the picture; there being none is no fault. */
  delete(name: string): Promise<void>;
}
