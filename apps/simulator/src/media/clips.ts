import { readFile } from 'node:fs/promises';
import { dataFile } from '../folders.js';

/** Two seconds of a test picture, 192×128, or one second of a tone: made with FFmpeg, each a few kilobytes. */
export type Clip = 'clip.mp4' | 'clip.webm' | 'clip.mkv' | 'tone.mp3' | 'tone.opus';

const read = new Map<Clip, Promise<Buffer>>();

/**
 * The clip with a note in a part that players skip, if its format has one, so that every prompt makes a different file.
 */
export async function clip(name: Clip, note: string): Promise<Buffer> {
  const known = read.get(name) ?? readFile(dataFile(`clips/${name}`));
  read.set(name, known);
  const bytes = await known;
  switch (name) {
    case 'clip.mp4':
      return Buffer.concat([bytes, freeBox(note)]);
    case 'clip.webm':
    case 'clip.mkv':
      return Buffer.concat([bytes, voidElement(note)]);
    case 'tone.mp3':
    case 'tone.opus':
      return bytes;
  }
}

function freeBox(note: string): Buffer {
  const text = Buffer.from(note);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(text.length + 8, 0);
  head.write('free', 4);
  return Buffer.concat([head, text]);
}

/** EBML: the id of Void, the length in eight bytes. */
function voidElement(note: string): Buffer {
  const text = Buffer.from(note);
  const head = Buffer.alloc(9);
  head.writeUInt8(0xec, 0);
  head.writeBigUInt64BE((1n << 56n) | BigInt(text.length), 1);
  return Buffer.concat([head, text]);
}
