import type { Readable } from 'node:stream';

export interface FrameInfo {
  readonly bytes: number;
  readonly modifiedAt: Date;
  /** The digest of the content in lower-case hexadecimal. */
  readonly sha256: string;
}

/** A file as `list` returns it. */
export interface StoredFrame {
  readonly name: string;
  readonly bytes: number;
  readonly modifiedAt: Date;
}

/** A range of bytes, counted from 0; `end` is included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * A store of pictures and other files: a folder or an object store. To `stat`, `open` and `delete`, an invalid name is the
 * name of a missing file.
 */
export interface FrameStore {
  /**
   * Stores the whole content under `name`, or nothing: readers see the old content or the new content, never a part of it.
   * Stored content survives a power cut. If the name depends on the content, pass a function; it is called when the whole
   * content was read. Throws storage_failed (disk full, no permission, …), what `source` or `name()` throws, or the reason
   * of the signal.
   */
  put(
    name: string | (() => Promise<string>),
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly bytes: number; readonly sha256: string }>;

  /** Undefined if there is no such file. */
  stat(name: string): Promise<FrameInfo | undefined>;

  /** Returns a stream, which the caller must read to its end or destroy; undefined if there is no such file. */
  open(name: string, range?: ByteRange): Promise<Readable | undefined>;

  /** Deletes the file if it exists. */
  delete(name: string): Promise<void>;

  /**
   * Sets the file's time to now, so that `deleteUnchanged` with an earlier time keeps the file. False if there is no such
   * file.
   */
  touch(name: string): Promise<boolean>;

  /**
   * Deletes the file if nobody stored or touched it since `list` returned that time, and returns whether it did. A file that
   * is touched at the same moment stays readable, though a second concurrent `touch` may return false.
   */
  deleteUnchanged(name: string, modifiedAt: Date): Promise<boolean>;

  /**
   * Lists the files whose names begin so, in no order, without reading them. Files that are stored or deleted meanwhile may
   * be missing.
   */
  list(beginning?: string): AsyncIterable<StoredFrame>;

  /** Free disk space in bytes; undefined if it has no limit, as in a bucket. */
  freeBytes(): Promise<number | undefined>;

  /**
   * Removes the half-written files that this owner left when it died, and returns how many. Call it before any `put`.
   * Uploads to a bucket have no owner; only `sweepAbandoned` removes them.
   */
  sweepTemporary(): Promise<number>;

  /**
   * Removes half-written files of any owner that are older than this time, and returns how many: an owner that is named
   * after its container never returns. Choose a time so long ago that no such file is still being written.
   */
  sweepAbandoned(before: Date): Promise<number>;

  /**
   * A URL at which anybody can download the file for some time without this service. Stays the same for a minute, so that
   * caches work. Undefined if the store has no such URLs. The file need not exist.
   */
  link(name: string, options: LinkOptions): Promise<string | undefined>;
}

export interface LinkOptions {
  readonly seconds: number;
  readonly contentType: string;
  readonly cacheControl: string;
  readonly contentDisposition?: string | undefined;
}

/** The stores of a service. */
export interface FrameStores {
  /** Outputs of jobs. */
  readonly frames: FrameStore;
  /** Inputs of jobs. */
  readonly inputs: FrameStore;
  /** Outputs in other sizes and formats. */
  readonly derived: FrameStore;
  /** Explains to operators why the stores do not work now and how to fix that; undefined if they work. Never throws. */
  fault(signal: AbortSignal): Promise<string | undefined>;
}
