import { crc32 } from 'node:zlib';
import type { PieceReader } from './piece-reader.js';

const SIGNATURE_BYTES = 8;
/** Length and type. */
const HEAD_BYTES = 8;
/** Chunks in which ComfyUI writes texts: `comf` is its own, in animations. */
const TEXTS: ReadonlySet<string> = new Set(['tEXt', 'iTXt', 'comf']);

/** The longest keyword that a text may have, with the zero behind it. */
const KEYWORD_BYTES = 80;
/** The keyword of the graph, in each picture into which ComfyUI writes texts. */
const GRAPH_KEYWORD = 'prompt';

/**
 * A PNG whose texts have right checksums. One that has its graph is given those of `texts` that it lacks, in Latin-1 by
 * keyword. All other chunks, and data after the end of the picture, stay as they are.
 */
export async function* withPngTexts(file: PieceReader, texts: ReadonlyMap<string, string>): AsyncGenerator<Uint8Array> {
  const keywords = new Set<string>();
  yield await file.take(SIGNATURE_BYTES);
  for (;;) {
    const head = await file.take(HEAD_BYTES);
    const type = head.toString('latin1', 4);
    if (type === 'tEXt') keywords.add(await keywordOf(file));
    if (type === 'IDAT' && keywords.has(GRAPH_KEYWORD)) {
      for (const [keyword, text] of texts) {
        if (!keywords.has(keyword)) yield textChunk(keyword, text);
        keywords.add(keyword);
      }
    }
    yield head;
    if (head.length < HEAD_BYTES) return;
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

async function keywordOf(file: PieceReader): Promise<string> {
  const start = await file.peek(KEYWORD_BYTES);
  return start.toString('latin1', 0, Math.max(0, start.indexOf(0)));
}

function textChunk(keyword: string, text: string): Buffer {
  const body = Buffer.from(`tEXt${keyword}\0${text}`, 'latin1');
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(body.length - 4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
