import { crc32 } from 'node:zlib';
import type { PieceReader } from './piece-reader.js';

const SIGNATURE_BYTES = 8;
/** Length and type. */
const HEAD_BYTES = 8;
/** Chunks in which ComfyUI writes texts: `comf` is its own, in animations. */
const TEXTS: ReadonlySet<string> = new Set(['tEXt', 'iTXt', 'comf']);

/** A PNG whose texts have right checksums. All other chunks, and data after the end of the picture, stay as they are. */
export async function* withPngChecksums(file: PieceReader): AsyncGenerator<Uint8Array> {
  yield await file.take(SIGNATURE_BYTES);
  for (;;) {
    const head = await file.take(HEAD_BYTES);
    yield head;
    if (head.length < HEAD_BYTES) return;
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
