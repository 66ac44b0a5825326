import { FleetError } from '@comfy-fleet/contracts';
import type { FrameStore } from '@comfy-fleet/frames';
import { parsePlainJson } from '@comfy-fleet/workflows';
import type { Sharp } from 'sharp';
import type { Deps } from '../../deps.js';
import { keepFile } from '../../files/keep-file.js';
import { maySeeOutput, splitName } from '../../files/ownership.js';
import { pieces } from '../../files/picture-bytes.js';
import { openPicture } from '../../files/stored-picture.js';
import { knownCaller } from '../../server/caller.js';
import { isRecord } from '../../server/json-body.js';
import type { ApiRequest, Reply, SentFile } from '../../server/messages.js';
import { joinAlpha, pixelsOf } from '../alpha.js';
import { refused } from './dialect.js';

const DEFAULT_FILENAME = 'image.png';

export function uploadImage(deps: Deps, request: ApiRequest): Promise<Reply> {
  return keepUpload(deps, request, sentImage(request));
}

/** The name of a file with its subfolder. Throws a ComfyuiRefusal for a subfolder that leads elsewhere. */
export function inSubfolder(subfolder: string, name: string): string {
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

/**
 * Gives the file the name that the form asks for, or `x (1).png` if another file of the caller has it, and answers that
 * name. All uploads are inputs, whatever folder the form names.
 */
async function keepUpload(
  { ledger }: Deps,
  request: ApiRequest,
  { filename = DEFAULT_FILENAME, file }: Pick<SentFile, 'filename' | 'file'>,
): Promise<Reply> {
  const { id: key } = knownCaller(request.caller);
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
  const caller = knownCaller(request.caller);
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
  async function* source() {
    yield* pieces(masked);
  }
  await deps.requireSpace();
  const about = { caller, filename, pointer: '/image', isSent: false, holds, signal };
  return keepUpload(deps, request, { filename, file: await keepFile(deps, source(), about) });
}

async function withAlphaOf(mask: Sharp, picture: Sharp): Promise<Buffer> {
  const alpha = await pixelsOf(mask.ensureAlpha().extractChannel('alpha'));
  const { width, height } = await picture.metadata();
  const { info } = alpha;
  if (info.width !== width || info.height !== height) {
    const sizes = `The mask has ${info.width}×${info.height} pixels, and the picture ${width}×${height}`;
    throw refused('invalid_request', sizes);
  }
  return joinAlpha(await pixelsOf(picture.toColourspace('srgb').removeAlpha()), alpha);
}

interface Stored {
  readonly store: FrameStore;
  readonly name: string;
}

/** The caller's upload or output that `original_ref` names. Throws a ComfyuiRefusal. */
async function original(deps: Deps, request: ApiRequest): Promise<Stored> {
  const reference = parsed(textOf(request, 'original_ref'));
  const { filename, type = 'output', subfolder = '' } = isRecord(reference) ? reference : {};
  if (typeof filename !== 'string') throw refused('invalid_request', 'original_ref must be JSON with a filename');
  const { name, folder = type } = splitName(filename);
  const caller = knownCaller(request.caller);
  if (folder !== 'input' && (await maySeeOutput(deps, name, caller))) return { store: deps.frames, name };
  const asset = await deps.ledger.assets.named(caller.id, inSubfolder(`${String(subfolder)}`, name));
  if (asset === undefined) throw refused('invalid_request', `original_ref names no file of yours: ${filename}`);
  return { store: deps.inputs, name: asset.name };
}

function parsed(text: string): unknown {
  try {
    return parsePlainJson(text);
  } catch {
    return undefined;
  }
}
