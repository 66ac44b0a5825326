import { crc32 } from 'node:zlib';

/** A PNG of 64×64 pixels in one colour, as base64: something for a job to start from. */
export const PICTURE =
  'iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAMAAACdt4HsAAAAA1BMVEUzVXeI+iudAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAAG0lEQVRYw+3BgQAAAADDoPlT3+AEVQEAAAB8AxBAAAEZszF2AAAAAElFTkSuQmCC';

/** The PNG with the text in a chunk of its own: another file with the same pixels. */
export function withText(png: Buffer, text: string, keyword = 'Comment'): Buffer {
  const data = Buffer.from(`tEXt${keyword}\0${text}`, 'latin1');
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length - 4);
  sum.writeUInt32BE(crc32(data));
  const end = png.length - 12; // IEND
  return Buffer.concat([png.subarray(0, end), length, data, sum, png.subarray(end)]);
}
