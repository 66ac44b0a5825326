import { FleetError } from '@comfy-fleet/contracts';
import type { FrameStore } from '@comfy-fleet/frames';
import { parsePlainJson } from '@comfy-fleet/workflows';
import type { Deps } from '../../../deps.js';
import { pieces } from '../../../files/in-steps.js';
import { keepFile } from '../../../files/keep-file.js';
import { loadSharp } from '../../../files/load-sharp.js';
import { maySeeOutput } from '../../../files/own-output.js';
import { splitName } from '../../../files/split-name.js';
import { openPicture } from '../../../files/stored-picture.js';
import { knownCaller } from '../../../server/caller.js';
import { isRecord } from '../../../server/is-record.js';
import type { ApiRequest, Handler } from '../../../server/messages.js';
import { inSubfolder } from '../file-names.js';
import { refused } from '../refusal.js';
import { keepUpload, sentImage, textOf } from './upload-image.js';

/** As ComfyUI writes it: soon done rather than small. */
const COMPRESSION = 4;

/** Keeps the picture that `original_ref` names with the alpha of the one that was sent. */
export function uploadMask(deps: Deps): Handler {
  return async (request) => {
    const mask = sentImage(request);
    const base = await original(deps, request);
    const masked = await withAlphaOf(deps, request, base, { store: deps.inputs, name: mask.file.name });
    const { signal, holds } = request;
    const caller = knownCaller(request.caller);
    const about = { caller, filename: mask.filename, pointer: '/image', isSent: false, holds, signal };
    await deps.requireSpace();
    const file = await keepFile(deps, asyncPieces(masked), about);
    return { status: 200, body: await keepUpload(deps, request, { filename: mask.filename, file }) };
  };
}

interface Stored {
  readonly store: FrameStore;
  readonly name: string;
}

/** The caller's file of that reference, an upload or an output. Throws a ComfyuiRefusal. */
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

function parsed(text: string | undefined): unknown {
  try {
    return parsePlainJson(text ?? '');
  } catch {
    return undefined;
  }
}

async function withAlphaOf(
  { config, decoding }: Deps,
  { caller, signal }: ApiRequest,
  base: Stored,
  mask: Stored,
): Promise<Buffer> {
  return decoding(knownCaller(caller).id, async () => {
    signal.throwIfAborted();
    const sharp = await loadSharp();
    const [picture, alpha] = await Promise.all([opened(base), opened(mask)]);
    try {
      const own = await alpha.ensureAlpha().extractChannel('alpha').raw().toBuffer({ resolveWithObject: true });
      const { width, height } = own.info;
      const { width: wide, height: high } = await picture.metadata();
      if (wide !== width || high !== height) {
        throw refused('invalid_request', `The mask has ${width}×${height} pixels, and the picture ${wide}×${high}`);
      }
      const plain = await picture.toColourspace('srgb').removeAlpha().raw().toBuffer();
      return await sharp(plain, { raw: { width, height, channels: 3 } })
        .joinChannel(own.data, { raw: { width, height, channels: 1 } })
        .png({ compressionLevel: COMPRESSION })
        .toBuffer();
    } catch (cause) {
      if (cause instanceof FleetError) throw cause;
      throw new FleetError('invalid_image', 'The mask, or the picture, cannot be read.', { cause });
    }
  });

  async function opened({ store, name }: Stored) {
    const picture = await openPicture(store, name, { limits: config.images, signal });
    if (picture === undefined) throw new FleetError('file_not_found', 'The picture is no longer there.');
    return picture;
  }
}

async function* asyncPieces(data: Buffer): AsyncGenerator<Uint8Array> {
  yield* pieces(data);
}
