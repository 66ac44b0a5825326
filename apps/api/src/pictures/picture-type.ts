export type PictureType = 'image/png' | 'image/jpeg' | 'image/webp';

/**
 * What the bytes are, by the signatures of the three formats; undefined for anything else. Nothing else may reach the
 * decoder, which knows many more formats than callers are offered (SVG, PDF, HEIF, …).
 */
export function pictureType(data: Buffer): PictureType | undefined {
  if (data.subarray(0, 8).equals(PNG)) return 'image/png';
  if (data.subarray(0, 3).equals(JPEG)) return 'image/jpeg';
  if (data.toString('latin1', 0, 4) === 'RIFF' && data.toString('latin1', 8, 12) === 'WEBP') return 'image/webp';
  return undefined;
}

const PNG = Buffer.from('89504e470d0a1a0a', 'hex');
const JPEG = Buffer.from('ffd8ff', 'hex');

/** The type that a header or data URL claims, without parameters; undefined when it claims none. */
export function claimedType(header: string | undefined): string | undefined {
  const type = header?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  // octet-stream is what programs write that do not know
  if (type === '' || type === 'application/octet-stream') return undefined;
  return type === 'image/jpg' || type === 'image/pjpeg' ? 'image/jpeg' : type;
}
