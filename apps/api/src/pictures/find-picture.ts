import { addAbortSignal } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { FleetError, type Img2ImgRequest } from '@comfy-fleet/contracts';
import { type FrameStore, isFrameName } from '@comfy-fleet/frames';
import type { ApiRequest } from '../http/messages.js';
import { pictureOfText, type RawPicture } from './picture-text.js';
import { claimedType } from './picture-type.js';
import { withStorageDeadline } from './storage-deadline.js';

/** The picture that a request brings or names, and the field it stands in. */
export async function findPicture(
  { image, source }: Img2ImgRequest,
  { file, signal }: ApiRequest,
  { frames, maxBytes }: { readonly frames: FrameStore; readonly maxBytes: number },
): Promise<RawPicture & { readonly pointer: string }> {
  if (source !== undefined)
    return { data: await frameNamed(source, frames, signal), claimed: undefined, pointer: '/source' };
  const raw =
    file === undefined ? pictureOfText(image ?? '') : { data: file.data, claimed: claimedType(file.contentType) };
  if (raw.data.length <= maxBytes) return { ...raw, pointer: '/image' };
  throw new FleetError('body_too_large', `The picture has ${raw.data.length} bytes; ${maxBytes} are the most.`);
}

async function frameNamed(source: string, frames: FrameStore, caller: AbortSignal): Promise<Buffer> {
  const stream = isFrameName(source) ? await frames.open(source) : undefined;
  if (stream !== undefined) return withStorageDeadline(caller, (signal) => buffer(addAbortSignal(signal, stream)));
  const detail = isFrameName(source)
    ? 'there is no picture of this name, or no longer'
    : 'must be the filename of a picture made here, as at the end of its image_url';
  throw new FleetError('validation_failed', `/source ${detail}.`, { errors: [{ pointer: '/source', detail }] });
}
