import { promisify } from 'node:util';
import { crc32, deflate } from 'node:zlib';

const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
/** Eight bits a channel, RGB, one way to compress, to filter and to order. */
const KIND = [8, 2, 0, 0, 0];
const ROW_AS_IT_IS = 0;

const compressed = promisify(deflate);

/**
 * RGB pixels as a PNG with these texts, in Latin-1, after its header. By hand: for a small picture a library takes longer
 * than all else of its prompt.
 */
export async function encodePng(
  pixels: Buffer,
  { width, height }: { readonly width: number; readonly height: number },
  texts: Iterable<readonly [string, string]>,
): Promise<Buffer> {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set(KIND, 8);
  const rowBytes = width * 3;
  const rows = Buffer.alloc((rowBytes + 1) * height, ROW_AS_IT_IS);
  for (let y = 0; y < height; y++) pixels.copy(rows, y * (rowBytes + 1) + 1, y * rowBytes, (y + 1) * rowBytes);
  const described = [...texts].map(([key, text]) => chunk('tEXt', Buffer.from(`${key}\0${text}`, 'latin1')));
  const data = chunk('IDAT', await compressed(rows, { level: 4 }));
  return Buffer.concat([SIGNATURE, chunk('IHDR', header), ...described, data, chunk('IEND', Buffer.alloc(0))]);
}

export function chunk(type: string, data: Buffer): Buffer {
  const bytes = Buffer.alloc(data.length + 12);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  data.copy(bytes, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, data.length + 8)), data.length + 8);
  return bytes;
}

/** The chunks of a PNG in order. */
export function chunksOf(png: Buffer): { readonly type: string; readonly data: Buffer }[] {
  const chunks = [];
  for (let at = 8; at < png.length; at += png.readUInt32BE(at) + 12) {
    const data = png.subarray(at + 8, at + 8 + png.readUInt32BE(at));
    chunks.push({ type: png.toString('latin1', at + 4, at + 8), data });
  }
  return chunks;
}
