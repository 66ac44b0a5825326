import type { Readable } from 'node:stream';

export interface FrameInfo {
  readonly bytes: number;
  readonly modifiedAt: Date;
  /** Lower-case hexadecimal digest of the content. */
  readonly sha256: string;
}

/** A picture as the store's list knows it. */
export interface StoredFrame {
  readonly name: string;
  readonly bytes: number;
  readonly modifiedAt: Date;
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
   * the signal's reason are passed on as they are. A name that the content tells is asked for when all of it was read;
   * what that throws is passed on, and nothing is stored.
   */
  put(
    name: string | (() => Promise<string>),
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly bytes: number; readonly sha256: string }>;

  /** What is stored under `name`; undefined when there is nothing. */
  stat(name: string): Promise<FrameInfo | undefined>;

  /** A stream of the content; undefined when there is nothing. The caller reads it to its end or destroys it. */
  open(name: string, range?: ByteRange): Promise<Readable | undefined>;

  /**
   * Where a library on this machine can read the content by itself, as a file; undefined where only `open` gives it. There
   * may be no such file.
   */
  path(name: string): string | undefined;

  /** Removes the picture; there being none is no fault. */
  delete(name: string): Promise<void>;

  /**
   * Makes the picture as young as one that is put now, for somebody who will use it; false when there is none. After
   * that `deleteUnchanged` with an earlier time leaves it where it is.
   */
  touch(name: string): Promise<boolean>;

  /**
   * Removes the picture if nobody put or touched it since `list` told its time, and answers whether it did. One that is
   * touched at that very moment stays readable; a second `touch` may still be told that there is none.
   */
  deleteUnchanged(name: string, modifiedAt: Date): Promise<boolean>;

  /**
   * What is stored under names with this beginning, in no order. Of what is put or deleted meanwhile some may be missed.
   * Nothing is read.
   */
  list(beginning?: string): AsyncIterable<StoredFrame>;

  /** Free bytes where pictures are stored; undefined where there is no such bound, as in a bucket. */
  freeBytes(): Promise<number | undefined>;

  /**
   * Removes what this owner left half-written when it died, and answers how much that was. Call it before any `put`.
   * A bucket does not tell whose something is: there only `sweepAbandoned` does.
   */
  sweepTemporary(): Promise<number>;

  /**
   * Removes what any owner left half-written before this time, and answers how much that was: an owner whose name was
   * its container's does not come back. To be so long ago that nobody writes it any more.
   */
  sweepAbandoned(before: Date): Promise<number>;

  /**
   * A URL at which anybody can fetch the picture without us for so many seconds, answered with these headers. It is the
   * same one for a minute. Undefined where only we can read it. There may be no such picture.
   */
  link(name: string, options: LinkOptions): Promise<string | undefined>;
}

export interface LinkOptions {
  readonly seconds: number;
  readonly contentType: string;
  readonly cacheControl: string;
  readonly contentDisposition?: string | undefined;
}

/** Where a service keeps its pictures. */
export interface FrameStores {
  /** The pictures that jobs made. */
  readonly frames: FrameStore;
  /** The pictures that jobs start from. */
  readonly inputs: FrameStore;
  /** Finished pictures in other sizes and formats. */
  readonly derived: FrameStore;
  /** What keeps the place from working now and how to fix it, for operators; undefined: it works. Never throws. */
  fault(signal: AbortSignal): Promise<string | undefined>;
}
