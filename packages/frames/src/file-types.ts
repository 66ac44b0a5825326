import type { OutputKind } from '@comfy-fleet/contracts';
import { fileTypeFromBuffer } from 'file-type';
import { isAnimation } from './animation.js';
import { contentTypeOf, extensionOf, FRAME_TYPES, frameTypeOf } from './frame-types.js';

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

/** What a file is by its first bytes, then by the extension of the name that it had. */
export async function fileFactsOf(start: Buffer, filename: string): Promise<FileFacts> {
  const picture = frameTypeOf(start);
  if (picture !== undefined) {
    const kind = isAnimation(start, picture) ? 'animation' : 'image';
    return { extension: picture, contentType: FRAME_TYPES[picture], kind };
  }
  // What is cut off where the first bytes end is no fault of the file.
  const found = await fileTypeFromBuffer(start).catch(() => undefined);
  const named = extensionOf(filename);
  const extension = found !== undefined && TELLING.test(found.mime) ? found.ext : (named ?? found?.ext ?? 'bin');
  const contentType = contentTypeOf(`.${extension}`);
  return { extension, contentType, kind: kindOf(extension, contentType) };
}

function kindOf(extension: string, contentType: string): OutputKind {
  const [major] = contentType.split('/');
  if (Object.hasOwn(KINDS, extension)) return KINDS[extension] as OutputKind;
  return major === 'image' || major === 'video' || major === 'audio' || major === 'model' || major === 'text'
    ? major
    : 'file';
}
