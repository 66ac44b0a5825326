import { crc32 } from 'node:zlib';
import { ByteReader } from './byte-reader.js';
import { oggChecksum } from './ogg-checksum.js';

/**
 * Changes data of a file but not its length. `done` is passed on; `rest` is given to the next call, in front of new data.
 * When `isLast` is true, `rest` must be empty.
 */
export type Edit = (data: Buffer, isLast: boolean) => { readonly done: Buffer; readonly rest: Buffer };

/** Applies an edit to a file, and corrects the checksums of a PNG or an Ogg. */
export async function* editFile(source: AsyncIterable<Uint8Array>, edit: Edit): AsyncGenerator<Uint8Array> {
  const file = new ByteReader(source);
  const magic = (await file.peek(4)).toString('latin1');
  if (magic === 'OggS') yield* editOgg(file, (headers) => edit(headers, true).done);
  else if (magic === '\x89PNG') yield* withPngChecksums(new ByteReader(edited(file.pieces(), edit)));
  else yield* edited(file.pieces(), edit);
}

async function* edited(pieces: AsyncIterable<Uint8Array>, edit: Edit): AsyncGenerator<Uint8Array> {
  let pending: Uint8Array[] = [];
  let bytes = 0;
  let wanted = 0;
  for await (const piece of pieces) {
    pending.push(piece);
    bytes += piece.length;
    if (bytes < wanted) continue;
    const { done, rest } = edit(Buffer.concat(pending), false);
    if (done.length > 0) yield done;
    pending = [rest];
    bytes = rest.length;
    // Double the amount each time: scanning a long rest again for each piece would take quadratic time.
    wanted = 2 * bytes;
  }
  yield edit(Buffer.concat(pending), true).done;
}

const PNG_SIGNATURE_BYTES = 8;
/** The length and type of a chunk. */
const CHUNK_HEAD_BYTES = 8;
/** Chunks in which ComfyUI writes texts; it uses its own `comf` in animations. */
const TEXTS: ReadonlySet<string> = new Set(['tEXt', 'iTXt', 'comf']);

/** Corrects the checksums of text chunks. All other chunks, and data after the end of the picture, stay as they are. */
async function* withPngChecksums(file: ByteReader): AsyncGenerator<Uint8Array> {
  yield await file.take(PNG_SIGNATURE_BYTES);
  for (;;) {
    const head = await file.take(CHUNK_HEAD_BYTES);
    yield head;
    if (head.length < CHUNK_HEAD_BYTES) return;
    const type = head.toString('latin1', 4);
    if (type === 'IEND') return yield* file.pieces();
    const isText = TEXTS.has(type);
    let sum = crc32(head.subarray(4));
    for await (const part of file.pieces(head.readUInt32BE(0))) {
      if (isText) sum = crc32(part, sum);
      yield part;
    }
    const checksum = Buffer.from(await file.take(4));
    if (isText && checksum.length === 4) checksum.writeUInt32BE(sum);
    yield checksum;
  }
}

const PAGE_HEAD_BYTES = 27;
const CHECKSUM_AT = 22;
/** Limits for all header pages, which come before the first sound: the prompt and the workflow have at most 1 MiB each. */
const MOST_HEADER_BYTES = 4 * 1024 * 1024;
/** A page has up to 64 KiB, so honest headers need a few dozen. */
const MOST_HEADER_PAGES = 1024;

interface Page {
  /** The fixed fields and the segment table. */
  readonly head: Buffer;
  readonly body: Buffer;
}

/** Edits the header packets of an Ogg. A long comment spans several pages, so all header pages are edited together. */
async function* editOgg(file: ByteReader, edit: (headers: Buffer) => Buffer): AsyncGenerator<Uint8Array> {
  const pages: Page[] = [];
  for (let bytes = 0; bytes < MOST_HEADER_BYTES && pages.length < MOST_HEADER_PAGES; ) {
    const page = await nextHeaderPage(file);
    if (page === undefined) break;
    pages.push(page);
    bytes += page.head.length + page.body.length;
  }
  const done = edit(Buffer.concat(pages.map(({ body }) => body)));
  let at = 0;
  for (const { head, body } of pages) {
    const edited = done.subarray(at, at + body.length);
    at += body.length;
    const page = Buffer.concat([head, edited]);
    page.writeUInt32LE(oggChecksum(page), CHECKSUM_AT);
    yield page;
  }
  yield* file.pieces();
}

/** Returns the next page if it is a header page: its position is 0, or -1 if no packet ends in it. */
async function nextHeaderPage(file: ByteReader): Promise<Page | undefined> {
  const start = await file.peek(PAGE_HEAD_BYTES);
  if (start.length < PAGE_HEAD_BYTES || start.toString('latin1', 0, 4) !== 'OggS') return undefined;
  const position = start.readBigInt64LE(6);
  if (position !== 0n && position !== -1n) return undefined;
  const head = await file.take(PAGE_HEAD_BYTES + start.readUInt8(26));
  const length = head.subarray(PAGE_HEAD_BYTES).reduce((sum, segment) => sum + segment, 0);
  return { head, body: await file.take(length) };
}
