import mime from 'mime';

/** The types of pictures: extension and content type. */
export const FRAME_TYPES = {
  png: 'image/png',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
} as const;

export type FrameType = keyof typeof FRAME_TYPES;

/** How many first bytes determine the type of a picture. */
const TELLING_BYTES = 12;

const PNG = Buffer.from('89504e470d0a1a0a', 'hex');
const JPEG = Buffer.from('ffd8ff', 'hex');

/** Determines the type of a picture by its first bytes; undefined if it is not one of these types. */
export function frameTypeOf(start: Buffer): FrameType | undefined {
  const text = start.toString('latin1', 0, TELLING_BYTES);
  if (start.subarray(0, PNG.length).equals(PNG)) return 'png';
  if (start.subarray(0, JPEG.length).equals(JPEG)) return 'jpeg';
  if (/^RIFF.{4}WEBP/s.test(text)) return 'webp';
  if (/^GIF8[79]a/.test(text)) return 'gif';
  return undefined;
}

/** A page may load only scripts of its own origin, and must not take a caller's file for one. */
const SCRIPT = /(?:java|ecma)script$/;

/** The content type of a stored file, by the extension of its name. */
export function contentTypeOf(name: string): string {
  const type = mime.getType(name) ?? 'application/octet-stream';
  if (SCRIPT.test(type)) return 'text/plain';
  // RFC 9639 registered the type without the prefix.
  return type === 'audio/x-flac' ? 'audio/flac' : type;
}

/** The extension of any file name in lower case; undefined if a stored file cannot have it. */
export function extensionOf(filename: string): string | undefined {
  return /\.([a-z0-9]{1,10})$/.exec(filename.toLowerCase())?.[1];
}

/** The type of a frame, by its name; undefined if frames have no such names. */
export function frameTypeOfName(name: string): FrameType | undefined {
  const extension = name.slice(name.lastIndexOf('.') + 1);
  return isFrameType(extension) ? extension : undefined;
}

function isFrameType(extension: string): extension is FrameType {
  return Object.hasOwn(FRAME_TYPES, extension);
}
