import type { PieceReader } from './piece-reader.js';

const HEAD_BYTES = 27;
const CHECKSUM_AT = 22;
/** The most that pages before the first sound may have together. */
const MOST_HEADER_BYTES = 64 * 1024 * 1024;

interface Page {
  /** With the table of its segments. */
  readonly head: Buffer;
  readonly body: Buffer;
}

/** An Ogg file whose header packets were edited. A long comment runs through several pages, so they are edited together. */
export async function* editOgg(file: PieceReader, edit: (headers: Buffer) => Buffer): AsyncGenerator<Uint8Array> {
  const pages: Page[] = [];
  for (let bytes = 0; bytes < MOST_HEADER_BYTES; ) {
    const page = await nextHeaderPage(file);
    if (page === undefined) break;
    pages.push(page);
    bytes += page.body.length;
  }
  const done = edit(Buffer.concat(pages.map(({ body }) => body)));
  let at = 0;
  for (const { head, body } of pages) {
    const edited = done.subarray(at, at + body.length);
    at += body.length;
    const page = Buffer.concat([head, edited]);
    page.writeUInt32LE(0, CHECKSUM_AT);
    page.writeUInt32LE(checksumOf(page), CHECKSUM_AT);
    yield page;
  }
  yield* file.pieces();
}

/** The next page, if it has no sound and no picture: its position is 0, or -1 where no packet ends. */
async function nextHeaderPage(file: PieceReader): Promise<Page | undefined> {
  const start = await file.peek(HEAD_BYTES);
  if (start.length < HEAD_BYTES || start.toString('latin1', 0, 4) !== 'OggS') return undefined;
  const position = start.readBigInt64LE(6);
  if (position !== 0n && position !== -1n) return undefined;
  const head = await file.take(HEAD_BYTES + start.readUInt8(26));
  const length = head.subarray(HEAD_BYTES).reduce((sum, segment) => sum + segment, 0);
  return { head, body: await file.take(length) };
}

/** CRC-32 with the polynomial 0x04c11db7, neither reflected nor inverted. */
const TABLE = Uint32Array.from({ length: 256 }, (_entry, byte) => {
  let sum = byte << 24;
  for (let bit = 0; bit < 8; bit++) sum = sum < 0 ? (sum << 1) ^ 0x04c11db7 : sum << 1;
  return sum;
});

function checksumOf(page: Buffer): number {
  let sum = 0;
  for (const byte of page) sum = (sum << 8) ^ (TABLE[(sum >>> 24) ^ byte] ?? 0);
  return sum >>> 0;
}
