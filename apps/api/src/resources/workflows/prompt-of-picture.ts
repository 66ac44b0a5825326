import { FleetError } from '@comfy-fleet/contracts';
import readExif from 'exif-reader';
import ExifReader from 'exifreader';

/** The workflow that ComfyUI wrote into a picture, as JSON texts. */
export interface PictureWorkflow {
  /** The graph in the API format. */
  readonly prompt: string;
  /** The editor's own format, which has the choices of App mode. */
  readonly workflow: string | undefined;
}

/**
 * Finds the graph in a PNG (text chunks) or WebP (EXIF texts that begin with their name) made by ComfyUI. Undefined when the
 * picture has none. Throws body_too_large when it has more than `maxBytes` of such texts.
 */
export function promptOfPicture(data: Buffer, maxBytes: number): PictureWorkflow | undefined {
  const texts = textsOf(data, maxBytes);
  const prompt = texts.get('prompt');
  return prompt === undefined ? undefined : { prompt, workflow: texts.get('workflow') };
}

function textsOf(data: Buffer, maxBytes: number): ReadonlyMap<string, string> {
  const exif = data.toString('latin1', 8, 12) === 'WEBP' ? riffChunk(data, 'EXIF') : undefined;
  // Parsing takes 0.1 s for each megabyte.
  if (exif !== undefined && exif.length > maxBytes) throw tooLarge(maxBytes);
  let texts: ReadonlyMap<string, string>;
  try {
    texts = exif === undefined ? textsOfPng(data) : textsOfExif(exif);
  } catch {
    return new Map(); // damaged, or another kind of file
  }
  if ([...texts.values()].some((text) => text.length > maxBytes)) throw tooLarge(maxBytes);
  return texts;
}

function tooLarge(maxBytes: number): FleetError {
  return new FleetError('body_too_large', `The workflow in the picture has more than ${maxBytes} bytes.`);
}

/** Compressed chunks are not read: ComfyUI writes none. */
function textsOfPng(data: Buffer): ReadonlyMap<string, string> {
  const { pngText } = ExifReader.load(data, { expanded: true, includeTags: { png: ['prompt', 'workflow'] } });
  const texts = ['prompt', 'workflow'].map((name) => [name, pngText?.[name]?.value] as const);
  return new Map(texts.filter((entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1] !== ''));
}

/** With exif-reader, because ExifReader takes 0.6 s for a megabyte of EXIF. exif-reader does not read WebP files itself. */
function textsOfExif(exif: Buffer): ReadonlyMap<string, string> {
  const isNamed = exif.toString('latin1', 0, 6) === 'Exif\0\0';
  const { Image = {} } = readExif(isNamed ? exif : Buffer.concat([Buffer.from('Exif\0\0'), exif]));
  const texts = Object.values(Image).flatMap((value): [string, string][] => {
    const [, name, text] = typeof value === 'string' ? (/^(prompt|workflow):(.+)$/s.exec(value) ?? []) : [];
    return name === undefined || text === undefined ? [] : [[name, text]];
  });
  return new Map(texts);
}

/** A chunk is a name of four letters, its size, its bytes, and a padding byte if the size is odd. */
function riffChunk(data: Buffer, name: string): Buffer | undefined {
  for (let at = 12; at + 8 <= data.length; ) {
    const size = data.readUInt32LE(at + 4);
    const begin = at + 8;
    if (data.toString('latin1', at, at + 4) === name) return data.subarray(begin, begin + size);
    at = begin + size + (size % 2);
  }
  return undefined;
}
