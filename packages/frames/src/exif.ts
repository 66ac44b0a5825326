/** The largest picture in a file, and how many there are. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  /** Set if readers differ in whether they turn it: the longer side. */
  readonly longest?: number;
}

export function withUnclearShape(size: PictureSize, isUnclear = true): PictureSize {
  return isUnclear ? { ...size, longest: Math.max(size.width, size.height) } : size;
}

/** What metadata says of a picture: whether a reader turns it by 90 degrees. Readers differ in what is unclear. */
export type Turn = 'unsaid' | 'upright' | 'turned' | 'unclear';

const HEADER = Buffer.from('Exif\0\0');
const ORIENTATION = 0x112;
const [SHORT, FIRST_TURNED, LAST_TURNED] = [3, 5, 8];

/** Reads numbers of a TIFF or an EXIF, which has the same form; 0 beyond its end. */
export function tiffNumbers(content: Buffer): (at: number, bytes: number) => number {
  const isLittle = content[0] === 0x49;
  return (at, bytes) => {
    if (at + bytes > content.length) return 0;
    return isLittle ? content.readUIntLE(at, bytes) : content.readUIntBE(at, bytes);
  };
}

export function isTurned(orientation: number | undefined): boolean {
  return orientation !== undefined && orientation >= FIRST_TURNED && orientation <= LAST_TURNED;
}

/** EXIF 3.0, 4.6.5. */
export function exifTurn(block: Buffer): Turn {
  let exif = block;
  while (exif.subarray(0, HEADER.length).equals(HEADER)) exif = exif.subarray(HEADER.length);
  if (!/^(?:II\*\0|MM\0\*)/.test(exif.toString('latin1', 0, 4))) return 'unclear';
  const number = tiffNumbers(exif);
  const directory = number(4, 4);
  let turn: Turn = 'unsaid';
  for (let tag = 0; tag < number(directory, 2); tag += 1) {
    const field = directory + 2 + 12 * tag;
    if (number(field, 2) !== ORIENTATION) continue;
    if (turn !== 'unsaid' || number(field + 2, 2) !== SHORT || number(field + 4, 4) !== 1) return 'unclear';
    turn = isTurned(number(field + 8, 2)) ? 'turned' : 'upright';
  }
  return turn;
}

/** Pillow looks here if the EXIF says nothing. */
export function xmpTurns(content: Buffer): boolean {
  return content.includes('tiff:Orientation') && /tiff:Orientation(?:="|>)[5-8]/.test(content.toString('latin1'));
}
