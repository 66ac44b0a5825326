import { FleetError } from '@comfy-fleet/contracts';
import { frameTypeOf } from '@comfy-fleet/frames';
import type { PictureTexts } from '@comfy-fleet/workflows';
import readExif from 'exif-reader';
import sharp from 'sharp';

/**
 * Finds the graph in a PNG (text chunks) or WebP (EXIF texts that begin with their name) made by ComfyUI. Undefined when the
 * picture has none. Throws body_too_large when it has more than `maxBytes` of such texts.
 */
export async function promptOfPicture(data: Buffer, maxBytes: number): Promise<PictureTexts | undefined> {
  const texts = await textsOf(data, maxBytes);
  const [prompt, workflow] = [texts.get('prompt'), texts.get('workflow')];
  for (const text of [prompt, workflow]) if (text !== undefined && text.length > maxBytes) throw tooLarge(maxBytes);
  return prompt === undefined ? undefined : { prompt, workflow };
}

async function textsOf(data: Buffer, maxBytes: number): Promise<ReadonlyMap<string, string>> {
  const type = frameTypeOf(data);
  if (type !== 'png' && type !== 'webp') return new Map();
  const { comments = [], exif } = await sharp(data, { limitInputPixels: false })
    .metadata()
    .catch(() => ({ comments: [], exif: undefined })); // damaged
  if (exif === undefined) return new Map(comments.map(({ keyword, text }) => [keyword, text]));
  // Parsing takes 0.1 s for each megabyte.
  if (exif.length > maxBytes) throw tooLarge(maxBytes);
  try {
    return textsOfExif(exif);
  } catch {
    return new Map(); // damaged
  }
}

function textsOfExif(exif: Buffer): ReadonlyMap<string, string> {
  const isNamed = exif.toString('latin1', 0, 6) === 'Exif\0\0';
  const { Image = {} } = readExif(isNamed ? exif : Buffer.concat([Buffer.from('Exif\0\0'), exif]));
  const texts = Object.values(Image).flatMap((value): [string, string][] => {
    const [, name, text] = typeof value === 'string' ? (/^(prompt|workflow):(.+)$/s.exec(value) ?? []) : [];
    return name === undefined || text === undefined ? [] : [[name, text]];
  });
  return new Map(texts);
}

function tooLarge(maxBytes: number): FleetError {
  return new FleetError('body_too_large', `The workflow in the picture has more than ${maxBytes} bytes.`);
}
