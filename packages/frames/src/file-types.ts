import type { OutputKind } from '@comfy-fleet/contracts';
import { fileTypeFromBuffer } from 'file-type';
import { contentTypeOf, extensionOf, FRAME_TYPES, type FrameType, frameTypeOf } from './frame-types.js';

/** The type of a file. */
export interface FileFacts {
  /** The extension of its name in the store. */
  readonly extension: string;
  readonly contentType: string;
  readonly kind: OutputKind;
}

/** Kinds of extensions whose content type does not show the kind. */
const KINDS: Readonly<Record<string, OutputKind>> = {
  latent: 'latent',
  ...Object.fromEntries(['fbx', 'ksplat', 'ply', 'splat', 'spz', 'usd', 'usdz', '3mf'].map((name) => [name, 'model'])),
  ...Object.fromEntries(['json', 'srt', 'xml', 'yaml', 'yml'].map((name) => [name, 'text'])),
};
/** Types that a signature determines. Others are containers, such as ZIP, whose content only the file's name tells. */
const TELLING = /^(image|video|audio|model)\//;

/**
 * Markup can precede signatures that do not begin at the first byte, such as those of MP4 and of transport streams: ffmpeg
 * reads `<!--free--><MPD …` as a DASH playlist. As a precaution this includes `<?xm` in EBCDIC.
 */
const MARKUP = /^(?:\xef\xbb\xbf)?\s*<|^\x4c\x6f\xa7\x94/;

/** Determines the type of a file by its first bytes, then by the extension of its original name. */
export async function fileFactsOf(start: Buffer, filename: string): Promise<FileFacts> {
  const picture = pictureFacts(start);
  if (picture !== undefined) return picture;
  const found = await signatureOf(start);
  const named = extensionOf(filename);
  const extension = found !== undefined && TELLING.test(found.mime) ? found.ext : (named ?? found?.ext ?? 'bin');
  const contentType = contentTypeOf(`.${extension}`);
  return { extension, contentType, kind: kindOf(extension, contentType) };
}

function pictureFacts(start: Buffer): FileFacts | undefined {
  const type = frameTypeOf(start);
  if (type === undefined) return undefined;
  const kind = isAnimation(start, type) ? 'animation' : 'image';
  return { extension: type, contentType: FRAME_TYPES[type], kind };
}

/** The flags in the extended header of a WebP state whether it is animated (RFC 9649, 2.7.1). */
const WEBP_FLAGS = 20;
const WEBP_ANIMATION = 0x02;

/** Whether a picture is animated, by its first bytes. */
function isAnimation(start: Buffer, type: FrameType): boolean {
  switch (type) {
    case 'webp':
      return start.toString('latin1', 12, 16) === 'VP8X' && ((start[WEBP_FLAGS] ?? 0) & WEBP_ANIMATION) !== 0;
    case 'png': {
      // The animation control chunk precedes the pixels (PNG, third edition, 11.3.6).
      const [control, pixels] = [start.indexOf('acTL'), start.indexOf('IDAT')];
      return control !== -1 && (pixels === -1 || control < pixels);
    }
    case 'gif':
      // Every program that writes more than one frame also writes a loop count.
      return start.includes('NETSCAPE2.0') || start.includes('ANIMEXTS1.0');
    case 'jpeg':
      return false;
  }
}

async function signatureOf(start: Buffer) {
  if (MARKUP.test(start.toString('latin1'))) return undefined;
  // file-type throws if the given bytes end inside a header, which says nothing about the whole file.
  return fileTypeFromBuffer(start).catch(() => undefined);
}

/** How many first bytes determine the type of a file, as file-type recommends. */
export const TELLING_BYTES = 4100;

export type MediaKind = 'image' | 'animation' | 'video' | 'audio';

/**
 * Determines the kind of a medium by its first bytes alone; undefined for all other files, such as playlists, which make
 * ffmpeg open other files.
 */
export async function mediaKindOf(start: Buffer): Promise<MediaKind | undefined> {
  const picture = pictureFacts(start);
  if (picture !== undefined) return picture.kind as MediaKind;
  // Only sounds begin with a tag, which is often longer than these bytes.
  if (start.toString('latin1', 0, 3) === 'ID3') return 'audio';
  const [major] = (await signatureOf(start))?.mime.split('/') ?? [];
  return major === 'image' || major === 'video' || major === 'audio' ? major : undefined;
}

function kindOf(extension: string, contentType: string): OutputKind {
  const [major] = contentType.split('/');
  if (Object.hasOwn(KINDS, extension)) return KINDS[extension] as OutputKind;
  return major === 'image' || major === 'video' || major === 'audio' || major === 'model' || major === 'text'
    ? major
    : 'file';
}
