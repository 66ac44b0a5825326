/** The largest width and height among the pictures of a file, and the number of pictures. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  /** The longer side; set if readers differ in whether they rotate the picture by 90 degrees. */
  readonly longest?: number;
}

export function withUnclearShape(size: PictureSize, isUnclear = true): PictureSize {
  return isUnclear ? { ...size, longest: Math.max(size.width, size.height) } : size;
}

/** Whether metadata makes readers rotate a picture by 90 degrees. If 'unclear', readers differ. */
export type Turn = 'unsaid' | 'upright' | 'turned' | 'unclear';

const HEADER = Buffer.from('Exif\0\0');
export const ORIENTATION = 0x112;
export const ENTRY_BYTES = 12;
const [ASCII, SHORT] = [2, 3];
const [FIRST_TURNED, LAST_TURNED] = [5, 8];

/** Reads numbers of a TIFF or of an EXIF block, which has the same form; 0 beyond the end. */
export function tiffNumbers(content: Buffer): (at: number, bytes: number) => number {
  const isLittle = content[0] === 0x49;
  return (at, bytes) => {
    if (at + bytes > content.length) return 0;
    return isLittle ? content.readUIntLE(at, bytes) : content.readUIntBE(at, bytes);
  };
}

type NumberAt = ReturnType<typeof tiffNumbers>;

/** Yields the offsets of the directories. Endless if a directory names an earlier one as the next. */
export function* directoriesOf(number: NumberAt): Generator<number> {
  for (let at = number(4, 4); at > 0; at = number(at + 2 + ENTRY_BYTES * number(at, 2), 4)) yield at;
}

/** The entries of a directory. `value` is the offset of the value, or of a pointer to it if it has more than four bytes. */
export function* entriesOf(number: NumberAt, directory: number) {
  const end = directory + 2 + ENTRY_BYTES * number(directory, 2);
  for (let at = directory + 2; at < end; at += ENTRY_BYTES)
    yield { tag: number(at, 2), type: number(at + 2, 2), count: number(at + 4, 4), value: at + 8 };
}

export function isTurned(orientation: number | undefined): boolean {
  return orientation !== undefined && orientation >= FIRST_TURNED && orientation <= LAST_TURNED;
}

/** The TIFF in an EXIF block. Some files contain its header twice. */
function tiffIn(block: Buffer): Buffer {
  let exif = block;
  while (exif.subarray(0, HEADER.length).equals(HEADER)) exif = exif.subarray(HEADER.length);
  return exif;
}

/** The text with this tag in the first directory; undefined if it is missing or has at most four bytes. */
export function exifText(block: Buffer, wanted: number): string | undefined {
  const exif = tiffIn(block);
  const number = tiffNumbers(exif);
  for (const { tag, type, count, value } of entriesOf(number, number(4, 4))) {
    if (tag !== wanted || type !== ASCII || count <= 4) continue;
    const at = number(value, 4);
    return exif.toString('latin1', at, at + count - 1); // without the zero at its end
  }
  return undefined;
}

/** EXIF 3.0, 4.6.5. */
export function exifTurn(block: Buffer): Turn {
  const exif = tiffIn(block);
  if (!/^(?:II\*\0|MM\0\*)/.test(exif.toString('latin1', 0, 4))) return 'unclear';
  const number = tiffNumbers(exif);
  let turn: Turn = 'unsaid';
  for (const { tag, type, count, value } of entriesOf(number, number(4, 4))) {
    if (tag !== ORIENTATION) continue;
    if (turn !== 'unsaid' || type !== SHORT || count !== 1) return 'unclear';
    turn = isTurned(number(value, 2)) ? 'turned' : 'upright';
  }
  return turn;
}

/** Pillow uses the orientation in XMP if the EXIF has none. */
export function xmpTurns(content: Buffer): boolean {
  return content.includes('tiff:Orientation') && /tiff:Orientation(?:="|>)[5-8]/.test(content.toString('latin1'));
}
