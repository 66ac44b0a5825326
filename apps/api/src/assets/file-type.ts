import type { AssetKind } from '@comfy-fleet/contracts';
import { FRAME_TYPES, frameTypeOf } from '@comfy-fleet/frames';
import { fileTypeFromBuffer } from 'file-type';
import { extension as extensionOf, lookup } from 'mime-types';

/** So many first bytes of a file tell its type: what file-type itself calls reasonable. */
export const TELLING_BYTES = 4100;

export interface FileType {
  readonly kind: AssetKind;
  readonly contentType: string;
  readonly extension: string;
}

/** What the sender says of a file, none of which needs to be true. */
export interface Claims {
  readonly filename?: string | undefined;
  readonly contentType?: string | undefined;
}

const UNKNOWN = 'application/octet-stream';
/** Formats of which others are made: the name says more than the bytes. */
const CONTAINERS = new Set([
  'application/zip',
  'application/gzip',
  'application/xml',
  'application/x-cfb',
  'text/plain',
]);

/** What a file is: its first bytes tell it, and where they do not, its name, and then what it is said to be. */
export async function fileTypeOf(start: Buffer, claims: Claims): Promise<FileType> {
  const picture = frameTypeOf(start);
  if (picture !== undefined) return { kind: 'image', contentType: FRAME_TYPES[picture], extension: picture };
  // It throws at bytes that begin as a format does and do not go on like it.
  const found = await fileTypeFromBuffer(start).catch(() => undefined);
  const named = namedExtension(claims.filename);
  if (found !== undefined && !(CONTAINERS.has(found.mime) && named !== undefined)) {
    return { kind: kindOf(found.mime), contentType: found.mime, extension: plain(found.ext) ?? 'bin' };
  }
  const extension = named ?? plain(extensionOf(claims.contentType ?? '') || undefined) ?? 'bin';
  const contentType = lookup(extension) || UNKNOWN;
  return { kind: found === undefined ? kindOf(contentType) : 'file', contentType, extension };
}

/** A picture of a format that nobody here can look into is a file. */
function kindOf(type: string): AssetKind {
  const top = type.split('/', 1)[0];
  return top === 'video' || top === 'audio' ? top : 'file';
}

function namedExtension(filename: string | undefined): string | undefined {
  return plain(/\.([^.]+)$/.exec(filename ?? '')?.[1]);
}

/** The extension, if a name in the store can have it. */
function plain(extension: string | undefined): string | undefined {
  const lower = extension?.toLowerCase() ?? '';
  return /^[a-z0-9]{1,10}$/.test(lower) ? lower : undefined;
}
