import type { FleetError } from '@comfy-fleet/contracts';
import { fileFactsOf, frameTypeOf, inputName, TELLING_BYTES } from '@comfy-fleet/frames';
import type { AssetFile } from '@comfy-fleet/jobs';
import { createBLAKE3 } from 'hash-wasm';
import type { Deps } from '../deps.js';
import { fieldError } from '../server/field-errors.js';
import type { Arrival, Receive } from '../server/form-readers.js';
import { chargeUpload, requireStorageShare } from './storage.js';

export interface KeepFileOptions extends Arrival {
  /** Whether the bytes come from outside and count against the caller's daily limit. */
  readonly isSent: boolean;
}

/** How many bytes are needed to recognise a picture. */
const MAGIC_BYTES = 12;
const BOOKED_BYTES = 8 * 1024 * 1024;

/**
 * Streams a file into the input store, named by the BLAKE3 hash of its content, so that the same content is stored once for all
 * callers. Only pictures are held in memory as a whole. Stores nothing if it throws: body_too_large, invalid_image,
 * upload_limit_reached, storage_share_exceeded, validation_failed for an empty file, storage_failed, storage_full, and what
 * `source` throws.
 */
export async function keepFile(
  deps: Deps,
  source: AsyncIterable<Uint8Array>,
  options: KeepFileOptions,
): Promise<AssetFile> {
  const { caller, filename = '', pointer, isSent, signal } = options;
  await deps.requireSpace();
  await requireStorageShare(deps, caller);
  const hash = await createBLAKE3();
  hash.init();
  const inspection = createInspection(deps, options);
  let bytes = 0;
  let unbooked = 0;
  const book = async () => {
    if (isSent) await chargeUpload(deps, caller, unbooked);
    unbooked = 0;
  };
  async function* read(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      bytes += chunk.byteLength;
      unbooked += chunk.byteLength;
      if (bytes > deps.config.assets.maxBytes) throw tooLarge(pointer, 'file', deps.config.assets.maxBytes);
      inspection.push(chunk);
      hash.update(chunk);
      if (unbooked >= BOOKED_BYTES) await book();
      yield chunk;
    }
  }
  let file: Omit<AssetFile, 'bytes'> | undefined;
  await deps.inputs.put(
    async () => {
      if (bytes === 0) throw fieldError('validation_failed', pointer, 'is an empty file');
      const { extension, contentType, kind: detected } = await fileFactsOf(inspection.start(), filename);
      const pixels = await inspection.pixels();
      await book();
      const digest = hash.digest('hex');
      // If the key already has this content, the file keeps its first name.
      const name = (await deps.ledger.assets.find(caller.id, digest))?.name ?? inputName(digest, extension);
      const kind = pixels !== undefined ? 'image' : detected === 'video' || detected === 'audio' ? detected : 'file';
      file = { digest, name, kind, contentType, ...pixels };
      return name;
    },
    read(),
    { signal },
  );
  if (file === undefined) throw new Error('a file was stored without a name');
  await deps.ledger.storage.add(caller.id, { digest: file.digest, bytes });
  return { ...file, bytes };
}

/** Keeps the start of a file, or the whole file if it is a picture, to find out its type and size. */
function createInspection({ config, decoder, decoding }: Deps, { caller, pointer, holds, signal }: KeepFileOptions) {
  const kept: Uint8Array[] = [];
  let bytes = 0;
  let isPicture: boolean | undefined;
  const joined = () => Buffer.concat(kept);
  return {
    push: (chunk: Uint8Array) => {
      if (isPicture === false && bytes >= TELLING_BYTES) return;
      kept.push(chunk);
      bytes += chunk.byteLength;
      if (isPicture === undefined && bytes >= MAGIC_BYTES) isPicture = frameTypeOf(joined()) !== undefined;
      if (isPicture !== true) return;
      holds(chunk.byteLength);
      if (bytes > config.images.maxBytes) throw tooLarge(pointer, 'picture', config.images.maxBytes);
    },
    start: () => joined().subarray(0, TELLING_BYTES),
    pixels: async () => {
      if (isPicture !== true) return undefined;
      const { maxPixels } = config.images;
      return decoding(caller.id, () => decoder.pixelsOf(joined(), { maxPixels, pointer }), { signal });
    },
  };
}

function tooLarge(pointer: string, what: string, most: number): FleetError {
  return fieldError('body_too_large', pointer, `is a ${what} of more than ${most} bytes`);
}

/** Stores files that arrive with requests. Throws what keepFile throws. */
export function receiveFile(deps: Deps): Receive {
  return (source, arrival) => keepFile(deps, source, { ...arrival, isSent: true });
}
