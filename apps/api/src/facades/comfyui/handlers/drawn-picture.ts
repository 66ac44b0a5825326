import { Readable } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import type { Sharp } from 'sharp';
import type { Deps } from '../../../deps.js';
import { loadSharp } from '../../../files/load-sharp.js';
import type { ServedFile } from '../../../files/serve-file.js';
import { openPicture } from '../../../files/stored-picture.js';
import { knownCaller } from '../../../server/caller.js';
import type { ApiRequest, Reply } from '../../../server/messages.js';

/** Another form of a picture that is asked for. */
export type Form =
  | { readonly kind: 'preview'; readonly format: 'webp' | 'jpeg'; readonly quality: number }
  | { readonly kind: 'channel'; readonly channel: 'rgb' | 'a' };

const QUALITY = 90;

/** `preview=webp;90` or `channel=rgb|a`; undefined: the file as it is, for `rgba` too. */
export function formOf(query: URLSearchParams): Form | undefined {
  const preview = query.get('preview');
  if (preview !== null) {
    const [format, quality = ''] = preview.split(';');
    const given = /^\d{1,3}$/.test(quality) ? Number(quality) : QUALITY;
    return { kind: 'preview', format: format === 'jpeg' ? 'jpeg' : 'webp', quality: Math.min(Math.max(given, 1), 100) };
  }
  const channel = query.get('channel');
  return channel === 'rgb' || channel === 'a' ? { kind: 'channel', channel } : undefined;
}

/** Converts the picture when it is the key's turn. Throws invalid_image if it is too large or no picture, and as `holds` does. */
export async function drawn(
  { config, decoding }: Deps,
  { caller, holds, signal }: Pick<ApiRequest, 'caller' | 'holds' | 'signal'>,
  file: ServedFile,
  form: Form,
): Promise<Reply> {
  const body = await decoding(knownCaller(caller).id, async () => {
    signal.throwIfAborted();
    const picture = await openPicture(file.store, file.name, { limits: config.images, signal });
    if (picture === undefined) throw gone();
    return inForm(picture, form).catch((cause: unknown) => {
      throw noPicture(cause);
    });
  });
  // A client that reads slowly keeps it in memory.
  holds(body.length);
  const type = form.kind === 'preview' ? form.format : 'png';
  const headers = { 'Content-Type': `image/${type}`, 'Content-Length': `${body.length}`, 'Cache-Control': 'no-cache' };
  return { status: 200, headers, body: Readable.from([body]) };
}

async function inForm(picture: Sharp, form: Form): Promise<Buffer> {
  if (form.kind === 'preview') {
    // JPEG has no transparency.
    const shown = form.format === 'jpeg' ? picture.flatten({ background: '#000000' }) : picture;
    return shown.toFormat(form.format, { quality: form.quality }).toBuffer();
  }
  if (form.channel === 'rgb') return picture.removeAlpha().png().toBuffer();
  // As ComfyUI draws a mask: black, as transparent as the picture.
  const { data, info } = await picture
    .ensureAlpha()
    .extractChannel('alpha')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const sharp = await loadSharp();
  return sharp({ create: { width, height, channels: 3, background: '#000000' } })
    .joinChannel(data, { raw: { width, height, channels: 1 } })
    .png()
    .toBuffer();
}

function noPicture(cause: unknown): FleetError {
  const detail = 'This file cannot be had in another form: it cannot be read, or has too many pixels.';
  return new FleetError('invalid_image', detail, { cause });
}

function gone(): FleetError {
  return new FleetError('file_not_found', 'There is no file of this name, or no longer.');
}
