import type { InputFile } from '@comfy-fleet/contracts';
import { inputName } from '@comfy-fleet/frames';
import type { Source } from '../decoding/tasks.js';
import type { Deps } from '../deps.js';
import { invalidImage } from '../server/field-errors.js';
import type { ApiRequest } from '../server/messages.js';
import { pictureType, pieces } from './picture-bytes.js';
import { requireStorageShare, withStorageDeadline } from './storage.js';

/**
 * Normalises a picture and stores it as an input for jobs when it is the key's turn. Throws what `load` throws,
 * invalid_image, storage_failed, storage_share_exceeded, and the signal's reason.
 */
export async function keepPicture(
  deps: Deps,
  load: () => Promise<Source> | Source,
  { caller, signal }: ApiRequest,
  pointer: string,
): Promise<InputFile> {
  const { config, decoder, decoding, inputs, ledger } = deps;
  signal.throwIfAborted();
  await requireStorageShare(deps, caller);
  const keep = async () => {
    const picture = await load();
    // Pictures that jobs made may have any type that outputs may have.
    if (Buffer.isBuffer(picture) && pictureType(picture) === undefined)
      throw invalidImage(pointer, 'The picture is not a PNG, JPEG or WebP.');
    const { maxPixels } = config.images;
    const { png, sha256, width, height } = await decoder.normalise(picture, { maxPixels, pointer });
    const name = inputName(sha256);
    // `touch` renews the age of an existing file; otherwise the housekeeping might delete it before the job is created.
    const isKept = (await inputs.touch(name)) && (await inputs.stat(name))?.sha256 === sha256;
    if (!isKept) await withStorageDeadline(signal, (inTime) => inputs.put(name, pieces(png), { signal: inTime }));
    await ledger.storage.add(caller.id, { digest: sha256, bytes: png.length });
    const file: InputFile = { name, kind: 'image', width, height };
    return file;
  };
  return decoding(caller.id, keep, { signal });
}
