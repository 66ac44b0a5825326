import { type FileHandle, open, readFile, rm, stat } from 'node:fs/promises';

/** Where an unfinished file and its progress are. */
export interface PartPaths {
  readonly data: string;
  readonly progress: string;
}

/** What an unfinished file is a part of. Only a download of the same content may continue it. */
export interface PartContent {
  /** The model that it belongs to, `<kind>/<name>`. */
  readonly id: string;
  /** The hash of the whole file, or the source with its entity tag. */
  readonly identity: string;
  readonly bytes: number;
  /** It is downloaded in cells of this size, the last of which may be shorter. */
  readonly cellBytes: number;
}

/**
 * An unfinished file. The progress file has one line with its content and one character for each cell, which becomes `1`
 * once the cell is in the file. After a power cut the file may lack such a cell; its hash then shows that.
 */
export class PartFile {
  readonly content: PartContent;
  readonly #data: FileHandle;
  readonly #progress: FileHandle;
  readonly #lineBytes: number;
  readonly #done: boolean[];
  #fetched: number;

  private constructor(content: PartContent, data: FileHandle, progress: FileHandle, done: boolean[]) {
    this.content = content;
    this.#data = data;
    this.#progress = progress;
    this.#lineBytes = Buffer.byteLength(lineOf(content));
    this.#done = done;
    this.#fetched = done.reduce((bytes, isDone, cell) => bytes + (isDone ? this.lengthOf(cell) : 0), 0);
  }

  /** Opens the part if it is one of this content, and otherwise begins a new one. */
  static async open(paths: PartPaths, content: PartContent): Promise<PartFile> {
    const known = await readProgress(paths);
    const isSame = known !== undefined && lineOf(known.content) === lineOf(content);
    // Never truncated: a process that was thought dead may still write to the old files.
    if (!isSame) await removePart(paths);
    const flags = isSame ? 'r+' : 'wx+';
    const data = await open(paths.data, flags);
    try {
      const progress = await open(paths.progress, flags);
      const done = isSame ? [...known.done] : Array.from({ length: cellsOf(content) }, () => false);
      if (!isSame) await progress.write(lineOf(content) + '0'.repeat(done.length), 0);
      return new PartFile(content, data, progress, done);
    } catch (error) {
      await data.close();
      throw error;
    }
  }

  get fetched(): number {
    return this.#fetched;
  }

  /** The cells that are not in the file yet. */
  get missing(): readonly number[] {
    return this.#done.flatMap((isDone, cell) => (isDone ? [] : [cell]));
  }

  startOf(cell: number): number {
    return cell * this.content.cellBytes;
  }

  lengthOf(cell: number): number {
    return Math.min(this.content.cellBytes, this.content.bytes - this.startOf(cell));
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    await this.#data.write(bytes, 0, bytes.length, position);
  }

  async finishCell(cell: number): Promise<void> {
    await this.#progress.write('1', this.#lineBytes + cell);
    if (this.#done[cell] !== true) this.#fetched += this.lengthOf(cell);
    this.#done[cell] = true;
  }

  /** Everything is on the disk when this resolves. */
  async sync(): Promise<void> {
    await this.#data.sync();
  }

  async close(): Promise<void> {
    await Promise.all([this.#data.close(), this.#progress.close()]);
  }
}

/** Reads what a part has; undefined if there is none, or none that can be continued. */
export async function readProgress(
  paths: PartPaths,
): Promise<{ readonly content: PartContent; readonly done: readonly boolean[] } | undefined> {
  try {
    await stat(paths.data);
    const text = await readFile(paths.progress, 'latin1');
    const end = text.indexOf('\n') + 1;
    const content = JSON.parse(text.slice(0, end)) as PartContent;
    const cells = text.slice(end);
    if (cells.length !== cellsOf(content) || !/^[01]*$/.test(cells)) return undefined;
    return { content, done: [...cells].map((cell) => cell === '1') };
  } catch {
    return undefined;
  }
}

/** The data last: a part without progress cannot be continued, progress without its part could be. */
export async function removePart(paths: PartPaths): Promise<void> {
  await rm(paths.progress, { force: true });
  await rm(paths.data, { force: true });
}

function cellsOf({ bytes, cellBytes }: PartContent): number {
  return Math.ceil(bytes / cellBytes);
}

/** In ASCII, so that a character is a byte. */
function lineOf({ id, identity, bytes, cellBytes }: PartContent): string {
  const text = JSON.stringify({ id, identity, bytes, cellBytes });
  return `${text.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;
}
