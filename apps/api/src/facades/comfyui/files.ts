import { Readable } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import { isFrameName } from '@comfy-fleet/frames';
import type { Sharp } from 'sharp';
import type { Deps } from '../../deps.js';
import { keepFile } from '../../files/keep-file.js';
import { maySeeOutput, splitName } from '../../files/ownership.js';
import { pieces } from '../../files/picture-bytes.js';
import { type ServedFile, serveFile, shownAs } from '../../files/serve-file.js';
import { loadSharp, openPicture } from '../../files/stored-picture.js';
import { isRecord } from '../../server/json-body.js';
import type { ApiRequest, Reply, SentFile } from '../../server/messages.js';
import { joinAlpha, pixelsOf } from '../alpha.js';
import { refused } from './dialect.js';
import { parsedJson } from './prompts.js';

const DEFAULT_FILENAME = 'image.png';

export function uploadImage(deps: Deps, request: ApiRequest): Promise<Reply> {
  return keepUpload(deps, request, sentImage(request));
}

/** The name of a file with its subfolder. Throws a ComfyuiRefusal for a subfolder that leads elsewhere. */
function inSubfolder(subfolder: string, name: string): string {
  const parts = subfolder.split(/[\\/]/).filter((part) => part !== '' && part !== '.');
  if (/^[\\/]/.test(subfolder) || parts.includes('..')) {
    throw refused('invalid_request', 'subfolder must be a path below the folder of uploads');
  }
  return [...parts, name].join('/');
}

function sentImage({ files }: ApiRequest): SentFile {
  const image = files.find(({ field }) => field === 'image');
  if (image === undefined) throw refused('invalid_request', 'The form must have a file called "image"');
  return image;
}

/** A text field of the form. */
function textOf({ body }: ApiRequest, name: string): string {
  const value = isRecord(body) ? body[name] : undefined;
  return typeof value === 'string' ? value : '';
}

/** Keeps an upload under the name that its form asks for, or as `x (1).png` if another file has it. All are inputs. */
async function keepUpload({ ledger }: Deps, request: ApiRequest, sent: Omit<SentFile, 'field'>): Promise<Reply> {
  const { filename = DEFAULT_FILENAME, file } = sent;
  const { id: key } = request.caller;
  const wanted = inSubfolder(textOf(request, 'subfolder'), filename);
  const overwrite = ['true', '1'].includes(textOf(request, 'overwrite'));
  const { asset } = await ledger.assets.keep(key, { ...file, filename });
  const given = await ledger.assets.name(key, wanted, asset.id, { overwrite });
  const at = given.lastIndexOf('/') + 1;
  const body = { name: given.slice(at), subfolder: given.slice(0, Math.max(0, at - 1)), type: 'input' };
  return { status: 200, body };
}

/** Keeps the picture that `original_ref` names with the alpha of the one that was sent. */
export async function uploadMask(deps: Deps, request: ApiRequest): Promise<Reply> {
  const { filename, file: mask } = sentImage(request);
  const base = await original(deps, request);
  const { signal, holds } = request;
  const caller = request.caller;
  const masked = await deps.decoding(caller.id, async () => {
    signal.throwIfAborted();
    const opened = async ({ store, name }: Stored) => {
      const picture = await openPicture(store, name, { limits: deps.config.images, signal });
      if (picture === undefined) throw new FleetError('file_not_found', 'The picture is no longer there.');
      return picture;
    };
    const [picture, alpha] = await Promise.all([opened(base), opened({ store: deps.inputs, name: mask.name })]);
    return withAlphaOf(alpha, picture).catch((cause: unknown) => {
      if (cause instanceof FleetError) throw cause;
      throw new FleetError('invalid_image', 'The mask, or the picture, cannot be read.', { cause });
    });
  });
  await deps.requireSpace();
  const about = { caller, filename, pointer: '/image', isSent: false, holds, signal };
  return keepUpload(deps, request, { filename, file: await keepFile(deps, Readable.from(pieces(masked)), about) });
}

async function withAlphaOf(mask: Sharp, picture: Sharp): Promise<Buffer> {
  const alpha = await pixelsOf(mask.ensureAlpha().extractChannel('alpha'));
  const [own, { width, height }] = [alpha.info, await picture.metadata()];
  if (own.width !== width || own.height !== height) {
    const sizes = `${own.width}×${own.height} pixels, and the picture ${width}×${height}`;
    throw refused('invalid_request', `The mask has ${sizes}`);
  }
  return joinAlpha(await pixelsOf(picture.toColourspace('srgb').removeAlpha()), alpha);
}

type Stored = Pick<ServedFile, 'store' | 'name'>;

/** The caller's upload or output that `original_ref` names. Throws a ComfyuiRefusal. */
async function original(deps: Deps, request: ApiRequest): Promise<Stored> {
  const reference = parsedJson(textOf(request, 'original_ref'));
  const { filename, type = 'output', subfolder = '' } = isRecord(reference) ? reference : {};
  if (typeof filename !== 'string') throw refused('invalid_request', 'original_ref must be JSON with a filename');
  const { name, folder = type } = splitName(filename);
  const caller = request.caller;
  if (folder !== 'input' && (await maySeeOutput(deps, name, caller))) return { store: deps.frames, name };
  const asset = await deps.ledger.assets.named(caller.id, inSubfolder(`${String(subfolder)}`, name));
  if (asset === undefined) throw refused('invalid_request', `original_ref names no file of yours: ${filename}`);
  return { store: deps.inputs, name: asset.name };
}

const DEFAULT_QUALITY = 90;

/**
 * An output of a job of the caller, under its name here, or an upload of the caller (`type=input`), under the name that its
 * upload was answered with. `preview=webp;90` and `channel=rgb|rgba|a` give pictures in another form.
 */
export async function view(deps: Deps, request: ApiRequest): Promise<Reply> {
  const file = await chosenFile(deps, request);
  if (file === undefined) throw notFound();
  const form = formIn(request.query);
  if (form !== undefined) {
    return (await keptPreview(deps, request, file, form)) ?? drawn(deps, request, file, form);
  }
  const reply = await serveFile(deps, request, file);
  if (reply === undefined) throw notFound();
  // The name of an upload may be given to another file.
  return file.isPrivate === true
    ? { ...reply, headers: { ...reply.headers, 'Cache-Control': 'private, no-cache' } }
    : reply;
}

async function chosenFile(deps: Deps, { query, caller }: ApiRequest): Promise<ServedFile | undefined> {
  const asked = query.get('filename');
  if (asked === null) return undefined;
  const { name, folder = query.get('type') ?? 'output' } = splitName(asked);
  if (name === '' || name.startsWith('/') || name.includes('..')) {
    throw refused('invalid_request', 'filename must be the name of a file, and of no other folder');
  }
  if (!['input', 'output', 'temp'].includes(folder)) {
    throw refused('invalid_request', 'type must be input, output or temp');
  }
  const plain = name.slice(name.lastIndexOf('/') + 1);
  const shown = shownAs(plain, plain);
  if (folder !== 'input' && (await maySeeOutput(deps, plain, caller))) {
    return { store: deps.frames, name: plain, ...shown };
  }
  // Some editors keep what they are about to use in the temporary folder.
  if (folder === 'output') return undefined;
  const asset = await deps.ledger.assets.named(caller.id, inSubfolder(query.get('subfolder') ?? '', plain));
  if (asset === undefined) return undefined;
  const info = { bytes: asset.bytes, sha256: asset.digest };
  return { store: deps.inputs, name: asset.name, ...shown, info, isPrivate: true };
}

/** Another form of a picture: a preview, or some of its channels as a PNG. */
type Form = { readonly format: 'webp' | 'jpeg'; readonly quality: number } | { readonly channel: 'rgb' | 'a' };

/** Undefined: the file as it is, also for `channel=rgba`. */
function formIn(query: URLSearchParams): Form | undefined {
  const preview = query.get('preview');
  if (preview !== null) {
    const [format, quality = ''] = preview.split(';');
    const given = /^\d{1,3}$/.test(quality) ? Number(quality) : DEFAULT_QUALITY;
    return { format: format === 'jpeg' ? 'jpeg' : 'webp', quality: Math.min(Math.max(given, 1), 100) };
  }
  const channel = query.get('channel');
  return channel === 'rgb' || channel === 'a' ? { channel } : undefined;
}

/** The preview of an output that is a picture is converted once and stored. */
async function keptPreview(deps: Deps, request: ApiRequest, { store, name }: ServedFile, form: Form) {
  if (!('quality' in form) || store !== deps.frames || !isFrameName(name)) return undefined;
  const { id: key } = request.caller;
  const made = await deps.derived.get(name, { width: undefined, format: form.format }, request.signal, key);
  return made && serveFile(deps, request, { store: deps.derivedStore, ...made });
}

/** Converts the picture in memory. Throws invalid_image for what is too large or no picture, and what `holds` throws. */
async function drawn({ config, decoding }: Deps, request: ApiRequest, { store, name }: ServedFile, form: Form) {
  const { caller, holds, signal } = request;
  const body = await decoding(caller.id, async () => {
    signal.throwIfAborted();
    const picture = await openPicture(store, name, { limits: config.images, signal });
    if (picture === undefined) throw notFound();
    return inForm(picture, form).catch((cause: unknown) => {
      const detail = 'This file cannot be had in another form: it cannot be read, or has too many pixels.';
      throw new FleetError('invalid_image', detail, { cause });
    });
  });
  // A slow reader keeps it in memory.
  holds(body.length);
  const type = 'quality' in form ? form.format : 'png';
  const headers = { 'Content-Type': `image/${type}`, 'Content-Length': `${body.length}`, 'Cache-Control': 'no-cache' };
  return { status: 200, headers, body: Readable.from([body]) };
}

async function inForm(picture: Sharp, form: Form): Promise<Buffer> {
  if ('quality' in form) {
    const { format, quality } = form;
    // JPEG has no transparency.
    const shown = format === 'jpeg' ? picture.flatten({ background: '#000000' }) : picture;
    return shown.toFormat(format, { quality }).toBuffer();
  }
  if (form.channel === 'rgb') return picture.removeAlpha().png().toBuffer();
  // ComfyUI draws a mask black, and as transparent as the picture.
  const alpha = picture.ensureAlpha().extractChannel('alpha').raw();
  const { data, info } = await alpha.toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const sharp = await loadSharp();
  return sharp({ create: { width, height, channels: 3, background: '#000000' } })
    .joinChannel(data, { raw: info })
    .png()
    .toBuffer();
}

function notFound(): FleetError {
  return new FleetError('file_not_found', 'There is no file of this name, or no longer.');
}
