import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { FleetError, joinSignals } from '@comfy-fleet/contracts';
import { Connections, type Reading } from '@comfy-fleet/safe-http';
import { faultOf, faultOfStatus, hostOf, ModelFault } from './faults.js';
import { type PartContent, PartFile, type PartPaths, readProgress, removePart } from './part-file.js';
import type { Location } from './sources.js';

export interface DownloadOptions {
  /** Finds the file, again when a signed URL has expired. */
  readonly locate: () => Promise<Location>;
  /** Identifies the source for an unfinished file whose hash is not known. */
  readonly source: string;
  readonly id: string;
  readonly paths: PartPaths;
  /** What the file must be; null: not known. */
  readonly expected: { readonly sha256: string | null; readonly bytes: number | null };
  readonly maxBytes: number;
  /** Reserves disk space for the whole file, or throws a ModelFault. A further call replaces the reservation. */
  readonly reserve: (bytes: number) => Promise<void>;
  /** Called with the part as soon as it is known, and with the bytes that have arrived since the last call. */
  readonly onProgress: (progress: Progress) => void;
  readonly rules: DownloadRules;
  readonly signal: AbortSignal;
}

export interface Progress {
  readonly bytes: number;
  readonly fetched: number;
  readonly arrived: number;
}

export interface DownloadRules {
  /** Size of a Range request. A killed process repeats at most one for each connection. */
  readonly cellBytes: number;
  /** Connections for a large file. */
  readonly connections: number;
  /** Longest silence of a source. */
  readonly idleMs: number;
  /** Pause after a first failure; it doubles with each further one. */
  readonly retryMs: number;
}

export interface Downloaded {
  readonly bytes: number;
  /** The hash that the source claims. */
  readonly sha256: string | null;
  /** Some of it was downloaded earlier, perhaps from another source. */
  readonly isResumed: boolean;
}

/** How often in a row requests may fail without any progress. */
const MOST_FAILURES = 4;
/** How often a download begins again because its source has changed. */
const MOST_RESTARTS = 2;

/** The source has another content than the one that was begun. `fault`: what that is if it goes on. */
class Changed extends Error {
  readonly fault: ModelFault;

  constructor(
    fault = new ModelFault('wrong_hash', 'The content of the source keeps changing while it is downloaded.'),
  ) {
    super(fault.detail);
    this.fault = fault;
  }
}

/** Downloads a file into its part, which remains if that fails. Throws a ModelFault, or the signal's reason. */
export async function download(options: DownloadOptions): Promise<Downloaded> {
  const connections = new Connections();
  try {
    for (let restarts = 0; ; restarts += 1) {
      try {
        return await new Download(options, await options.locate(), connections).run();
      } catch (error) {
        if (!(error instanceof Changed)) throw error;
        await removePart(options.paths);
        if (restarts === MOST_RESTARTS) throw error.fault;
      }
    }
  } catch (error) {
    throw options.signal.aborted ? options.signal.reason : faultOf(error);
  } finally {
    connections.close();
  }
}

/** One try with the content that the source has now. */
class Download {
  readonly #options: DownloadOptions;
  readonly #connections: Connections;
  #location: Location;
  /** The URL to which the source redirects; undefined until it has answered, and after a failure. */
  #redirected: string | undefined;
  #failures = 0;
  #hasBytes = false;

  constructor(options: DownloadOptions, location: Location, connections: Connections) {
    this.#options = options;
    this.#location = location;
    this.#connections = connections;
  }

  async run(): Promise<Downloaded> {
    const { paths, rules } = this.#options;
    const known = await readProgress(paths);
    const isUsable = known !== undefined && known.content.cellBytes === rules.cellBytes;
    const last = isUsable ? known.done.length - 1 : 0;
    const cell = isUsable ? Math.min(...known.done.flatMap((isDone, index) => (isDone ? [] : [index])), last) : 0;
    const begin = cell * rules.cellBytes;
    const first = await this.#patiently(() =>
      this.#ask({ Range: `bytes=${begin}-${begin + rules.cellBytes - 1}` }, (answer) =>
        this.#begin(answer, cell, known?.content.identity),
      ),
    );
    return first === 'whole' ? this.#patiently(() => this.#ask({}, (answer) => this.#readWhole(answer))) : first;
  }

  /** The first answer says what the file is. `begun`: the identity of the part that is there. */
  async #begin(answer: Reading, cell: number, begun: string | undefined): Promise<Downloaded | 'whole'> {
    if (answer.status === 416) {
      if (cell > 0) throw new Changed();
      throw new ModelFault('truncated', `${hostOf(answer.url)} has an empty file.`);
    }
    this.#requireModel(answer);
    if (answer.status === 200) return this.#readWhole(answer);
    const { total } = rangeOf(answer);
    const { expected, source, rules, id, paths } = this.#options;
    const claimed = this.#claimedHash(answer);
    const hash = expected.sha256 ?? claimed;
    const tagged = `${source} ${tagOf(answer)}`;
    // With a hash the tag does not matter, and the servers of one source may have different ones. But a part that was
    // begun before its hash was known continues by its tag.
    const tag = hash === null || begun === tagged ? tagOf(answer) : undefined;
    const identity = tag !== undefined ? tagged : hash === null ? undefined : `sha256:${hash}`;
    await this.#admit(total);
    // Without a hash or a tag, the ranges could come from different contents.
    if (identity === undefined && total > rules.cellBytes) return 'whole';
    const content: PartContent = { id, identity: identity ?? source, bytes: total, cellBytes: rules.cellBytes };
    const part = await PartFile.open(paths, content);
    try {
      const isResumed = part.fetched > 0;
      this.#report(part, 0);
      await this.#fillFrom(part, cell, answer);
      await this.#fillOthers(part, tag);
      await part.sync();
      return { bytes: total, sha256: claimed, isResumed };
    } finally {
      await part.close();
    }
  }

  /** Writes the first cell from the answer that is already open; if it breaks off, the cell is requested again. */
  async #fillFrom(part: PartFile, cell: number, answer: Reading): Promise<void> {
    const place = { at: part.startOf(cell), end: part.startOf(cell) + part.lengthOf(cell) };
    try {
      await this.#copy(part, place, answer);
      await part.finishCell(cell);
      this.#report(part, 0);
    } catch (error) {
      if (!isTransient(error)) throw error;
      this.#failures += 1;
    }
  }

  async #fillOthers(part: PartFile, tag: string | undefined): Promise<void> {
    const queue = [...part.missing];
    const { signal, abort, end } = joinSignals([this.#options.signal]);
    const connect = async () => {
      for (let cell = queue.shift(); cell !== undefined; cell = queue.shift()) {
        await this.#fill(part, cell, tag, signal);
      }
    };
    const count = Math.min(this.#options.rules.connections, queue.length);
    let failure: unknown;
    try {
      const connecting = Array.from({ length: count }, () =>
        connect().catch((error: unknown) => {
          failure ??= error;
          abort(error);
        }),
      );
      await Promise.all(connecting);
    } finally {
      end();
    }
    if (failure !== undefined) throw failure;
  }

  async #fill(part: PartFile, cell: number, tag: string | undefined, signal: AbortSignal): Promise<void> {
    // A cell that breaks off continues where it ended.
    const place = { at: part.startOf(cell), end: part.startOf(cell) + part.lengthOf(cell) };
    await this.#patiently(async () => {
      const condition = tag === undefined ? {} : { 'If-Range': tag };
      const headers = { Range: `bytes=${place.at}-${place.end - 1}`, ...condition };
      await this.#ask(
        headers,
        async (answer) => {
          if (answer.status === 200 || answer.status === 412) throw new Changed();
          if (answer.status === 416) throw new Changed(endsEarly(part.content.bytes));
          if (answer.status !== 206) throw this.#failureOf(answer);
          const { start, total } = rangeOf(answer);
          if (total !== part.content.bytes || (tag !== undefined && tagOf(answer) !== tag)) throw new Changed();
          if (start !== place.at) throw wrongRange(answer);
          await this.#copy(part, place, answer);
        },
        signal,
      );
    }, signal);
    await part.finishCell(cell);
    this.#failures = 0;
    this.#report(part, 0);
  }

  async #copy(part: PartFile, place: { at: number; readonly end: number }, { content }: Reading): Promise<void> {
    for await (const piece of content) {
      const room = place.end - place.at;
      await part.write(piece.length > room ? piece.subarray(0, room) : piece, place.at);
      place.at += Math.min(piece.length, room);
      this.#hasBytes = true;
      this.#report(part, piece.length);
      if (piece.length > room) throw new ModelFault('wrong_size', 'The source sends more bytes than it announced.');
    }
    if (place.at < place.end) throw brokenOff();
  }

  /** Reads a file in one stream, from a source that has no ranges or does not say which content it has. */
  async #readWhole(answer: Reading): Promise<Downloaded> {
    const { paths, expected, rules, reserve, onProgress } = this.#options;
    this.#requireModel(answer);
    if (answer.status !== 200) throw faultOfStatus(answer, this.#isSigned(answer.url));
    const length = answer.header('content-length');
    const total = length === undefined ? expected.bytes : Number(length);
    let reserved = total ?? rules.cellBytes;
    await this.#admit(reserved, total === null);
    await removePart(paths);
    const file = await open(paths.data, 'wx');
    try {
      let bytes = 0;
      for await (const piece of answer.content) {
        if (total !== null && bytes + piece.length > total) {
          throw new ModelFault('wrong_size', `The source sends more than the ${total} bytes that the file must have.`);
        }
        if (bytes + piece.length > reserved) {
          reserved += rules.cellBytes;
          await this.#admit(reserved, true);
        }
        await file.write(piece, 0, piece.length, bytes);
        bytes += piece.length;
        this.#hasBytes = true;
        onProgress({ bytes: total ?? reserved, fetched: bytes, arrived: piece.length });
      }
      if (total !== null && bytes < total) throw brokenOff();
      await reserve(bytes);
      await file.sync();
      return { bytes, sha256: this.#claimedHash(answer), isResumed: false };
    } finally {
      await file.close();
    }
  }

  /** Refuses a file that has the wrong size or is too large, and reserves disk space for the others. */
  async #admit(bytes: number, mayBeLess = false): Promise<void> {
    const { expected, maxBytes, reserve } = this.#options;
    if (!mayBeLess && expected.bytes !== null && bytes !== expected.bytes) {
      throw new ModelFault('wrong_size', `The source has ${bytes} bytes, but ${expected.bytes} are registered.`);
    }
    if (bytes > maxBytes) {
      throw new ModelFault('too_large', `The file has ${bytes} bytes, and at most ${maxBytes} are allowed.`, { bytes });
    }
    await reserve(bytes);
  }

  #requireModel(answer: Reading): void {
    if (answer.status !== 200 && answer.status !== 206) throw faultOfStatus(answer, this.#isSigned(answer.url));
    if (/^(text\/html|application\/xhtml)/i.test(answer.header('content-type') ?? '')) {
      throw new ModelFault('not_a_model', `${hostOf(answer.url)} answered with a page, perhaps to log in.`);
    }
  }

  #claimedHash(answer: Reading): string | null {
    return this.#location.hashIn(answer) ?? this.#location.sha256;
  }

  #isSigned(url: string): boolean {
    return this.#location.credentials.has(url);
  }

  #report(part: PartFile, arrived: number): void {
    this.#options.onProgress({ bytes: part.content.bytes, fetched: part.fetched, arrived });
  }

  #ask<T>(
    headers: Readonly<Record<string, string>>,
    use: (answer: Reading) => Promise<T>,
    signal = this.#options.signal,
  ): Promise<T> {
    const { http, credentials } = this.#location;
    const url = this.#redirected ?? this.#location.url;
    const prepare = (to: URL) => {
      const prepared = credentials.prepare(to);
      return { url: prepared.url, headers: { Accept: '*/*', ...prepared.headers, ...headers } };
    };
    const { idleMs } = this.#options.rules;
    return http.read(url, { prepare, idleMs, connections: this.#connections, signal }, (answer) => {
      this.#redirected = answer.url;
      return use(answer);
    });
  }

  /** Why a source that has sent a part does not send another: the signature of its URL may have expired. */
  #failureOf(answer: Reading): Error {
    const fault = faultOfStatus(answer, this.#isSigned(answer.url));
    if (fault.retryAfterMs !== undefined) return fault;
    return new FleetError('url_unreachable', fault.detail, { cause: fault });
  }

  /** Repeats a request that fails on the way, or whose URL has expired. */
  async #patiently<T>(request: () => Promise<T>, signal = this.#options.signal): Promise<T> {
    for (;;) {
      try {
        return await request();
      } catch (error) {
        signal.throwIfAborted();
        if (!isTransient(error)) throw error;
        this.#failures += 1;
        if (this.#failures >= MOST_FAILURES) throw this.#hasBytes ? truncated(error) : error;
        await delay(this.#options.rules.retryMs * 2 ** (this.#failures - 1), undefined, { signal });
        this.#redirected = undefined;
        this.#location = await this.#options.locate().catch(() => this.#location);
      }
    }
  }
}

function brokenOff(): FleetError {
  return new FleetError('url_unreachable', 'The host of the URL broke off the connection.');
}

function endsEarly(bytes: number): ModelFault {
  return new ModelFault('truncated', `The source announced ${bytes} bytes, but has fewer.`);
}

function isTransient(error: unknown): boolean {
  return error instanceof FleetError && error.code === 'url_unreachable';
}

function truncated(cause: unknown): ModelFault {
  const detail = cause instanceof FleetError ? ` ${cause.detail}` : '';
  return new ModelFault('truncated', `The download broke off ${MOST_FAILURES} times.${detail}`, { cause });
}

function wrongRange({ url }: Reading): ModelFault {
  return new ModelFault('source_failed', `${hostOf(url)} answered with another range than requested.`);
}

function rangeOf(answer: Reading): { readonly start: number; readonly total: number } {
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(answer.header('content-range') ?? '') ?? [];
  if (start === undefined || total === undefined) throw wrongRange(answer);
  return { start: Number(start), total: Number(total) };
}

/** What If-Range compares: a strong entity tag, or else the time of the last change. */
function tagOf({ header }: Reading): string | undefined {
  const tag = header('etag');
  return tag?.startsWith('"') ? tag : header('last-modified');
}
