import { addAbortSignal } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { FleetError, type Img2ImgRequest } from '@comfy-fleet/contracts';
import { isFrameName } from '@comfy-fleet/frames';
import type { Caller } from '../access/caller.js';
import { maySeeFrame } from '../access/own-frame.js';
import type { Deps } from '../deps.js';
import type { ApiRequest } from '../http/messages.js';
import { fetchPicture } from './fetch-picture.js';
import { pictureOfText, type RawPicture } from './picture-text.js';
import { claimedType } from './picture-type.js';
import { withStorageDeadline } from './storage-deadline.js';

/** The picture that a request brings or names, and the field it stands in. */
export async function findPicture(
  deps: Deps,
  { image, image_url, source }: Img2ImgRequest,
  { file, signal, caller }: ApiRequest,
): Promise<RawPicture & { readonly pointer: string }> {
  const { maxBytes, fetchTimeoutMs: timeoutMs } = deps.config.images;
  if (source !== undefined) {
    const data = await readFrame(deps, source, caller, signal);
    return { data, claimed: undefined, pointer: '/source' };
  }
  if (image_url !== undefined) {
    const raw = await fetchPicture(image_url, deps.pictureHttp, { maxBytes, timeoutMs, signal });
    return { ...raw, pointer: '/image_url' };
  }
  const raw =
    file === undefined ? pictureOfText(image ?? '') : { data: file.data, claimed: claimedType(file.contentType) };
  if (raw.data.length <= maxBytes) return { ...raw, pointer: '/image' };
  throw new FleetError('body_too_large', `The picture has ${raw.data.length} bytes; ${maxBytes} are the most.`);
}

/** The bytes of a frame that a job of the caller made. Throws validation_failed with the field /source. */
export async function readFrame(
  deps: Deps,
  name: string,
  caller: Caller | undefined,
  signal: AbortSignal,
): Promise<Buffer> {
  const stream = (await maySeeFrame(deps, name, caller)) ? await deps.frames.open(name) : undefined;
  if (stream !== undefined) return withStorageDeadline(signal, (late) => buffer(addAbortSignal(late, stream)));
  const detail = isFrameName(name)
    ? 'there is no picture of this name, or no longer'
    : 'must be the filename of a picture made here, as at the end of its image_url';
  throw new FleetError('validation_failed', `/source ${detail}.`, { errors: [{ pointer: '/source', detail }] });
}
