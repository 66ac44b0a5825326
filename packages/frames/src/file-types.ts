import type { OutputKind } from '@comfy-fleet/contracts';
import { fileTypeFromBuffer } from 'file-type';
import { contentTypeOf, extensionOf, FRAME_TYPES, type FrameType, frameTypeOf } from './frame-types.js';
import { refuseHiddenMedia } from './hidden-media.js';
import { isTag, MOST_TAGS, tagBytes } from './id3-tag.js';

/** What a file is. */
export interface FileFacts {
  /** Of its name here. */
  readonly extension: string;
  readonly contentType: string;
  readonly kind: OutputKind;
}

/** Kinds that no content type tells. */
const KINDS: Readonly<Record<string, OutputKind>> = {
  latent: 'latent',
  ...Object.fromEntries(['fbx', 'ksplat', 'ply', 'splat', 'spz', 'usd', 'usdz', '3mf'].map((name) => [name, 'model'])),
  ...Object.fromEntries(['json', 'srt', 'xml', 'yaml', 'yml'].map((name) => [name, 'text'])),
};
/** What is found to be of these types is that; others are containers of many things, which only a name tells apart. */
const TELLING = /^(image|video|audio|model)\//;

/**
 * Markup in front of the signatures that begin at the fifth byte, as those of MP4 and of transport streams do: ffmpeg takes
 * `<!--free--><MPD …` for a DASH playlist. As a precaution this includes `<?xm` in EBCDIC.
 */
const MARKUP = /^(?:\xef\xbb\xbf)?\s*<|^\x4c\x6f\xa7\x94/;

/** What a file is by its first bytes, then by the extension of the name that it had. */
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

/** The extended header of a WebP says in its flags whether it moves (RFC 9649, 2.7.1). */
const WEBP_FLAGS = 20;
const WEBP_ANIMATION = 0x02;

/** Whether a picture moves, by its first bytes. */
function isAnimation(start: Buffer, type: FrameType): boolean {
  switch (type) {
    case 'webp':
      return start.toString('latin1', 12, 16) === 'VP8X' && ((start[WEBP_FLAGS] ?? 0) & WEBP_ANIMATION) !== 0;
    case 'png': {
      // The control chunk of an animation stands before the pixels (PNG, third edition, 11.3.6).
      const [control, pixels] = [start.indexOf('acTL'), start.indexOf('IDAT')];
      return control !== -1 && (pixels === -1 || control < pixels);
    }
    case 'gif':
      // Every program that writes more than one frame says how often they repeat.
      return start.includes('NETSCAPE2.0') || start.includes('ANIMEXTS1.0');
    case 'jpeg':
      return false;
  }
}

async function signatureOf(start: Buffer) {
  if (MARKUP.test(start.toString('latin1'))) return undefined;
  // A file that is cut off where its first bytes end is not at fault.
  return fileTypeFromBuffer(start).catch(() => undefined);
}

/** This many first bytes of a file tell its type, as file-type itself recommends. */
export const TELLING_BYTES = 4100;

/** Answers a few thousand bytes of a file from `start` on, or fewer at its end. */
type ReadFrom = (start: number) => Promise<Buffer>;

export type MediaKind = 'image' | 'animation' | 'video' | 'audio';

/**
 * Which medium a file is by its bytes alone; undefined for everything else, such as playlists, which make ffmpeg open other
 * files. ffmpeg skips an ID3 tag before it looks for a signature, so what follows the tag decides. `read` answers
 * TELLING_BYTES from `start` on, or fewer at the end of the file. Throws MediaFault.
 */
export async function mediaKindOf(read: ReadFrom): Promise<MediaKind | undefined> {
  let at = 0;
  let start = await read(at);
  refuseHiddenMedia(start);
  const picture = pictureFacts(start);
  if (picture !== undefined) return picture.kind as MediaKind;
  for (let tags = 0; tags < MOST_TAGS && isTag(start); tags += 1) {
    at += tagBytes(start);
    start = await read(at);
    refuseHiddenMedia(start);
  }
  // Without the rest of the tag, file-type would guess that it is an MP3.
  if (start.toString('latin1', 0, 3) === 'ID3') return undefined;
  const [major] = (await signatureOf(start))?.mime.split('/') ?? [];
  // No picture has a tag in front.
  if (major === 'image') return at === 0 ? major : undefined;
  return major === 'video' || major === 'audio' ? major : undefined;
}

function kindOf(extension: string, contentType: string): OutputKind {
  const [major] = contentType.split('/');
  if (Object.hasOwn(KINDS, extension)) return KINDS[extension] as OutputKind;
  return major === 'image' || major === 'video' || major === 'audio' || major === 'model' || major === 'text'
    ? major
    : 'file';
}
