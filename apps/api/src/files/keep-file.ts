import { FleetError } from '@comfy-fleet/contracts';
import { fileFactsOf, frameTypeOf, inputName, TELLING_BYTES } from '@comfy-fleet/frames';
import type { AssetFile } from '@comfy-fleet/jobs';
import { createBLAKE3 } from 'hash-wasm';
import type { Deps } from '../deps.js';
import { type Caller, knownCaller } from '../server/caller.js';
import type { Receive } from '../server/form-readers.js';
import { pixelsOf } from './normalise.js';
import { chargeUpload, requireStorageShare } from './storage.js';

export interface KeepFileOptions {
  readonly caller: Caller;
  /** As its sender calls it. */
  readonly filename: string | undefined;
  /** `blake3:` and the digest that it is to have. */
  readonly announced?: string | undefined;
  /** The field that the file is for, for errors. */
  readonly pointer: string;
  /** Its bytes come from outside, and are booked on the caller's day. */
  readonly isSent: boolean;
  /** Counts bytes that are kept in memory: of pictures, which are looked into as a whole. */
  readonly holds: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** So many bytes tell a picture from everything else. */
const MAGIC_BYTES = 12;
/** Bytes that are booked at once. */
const BOOKED_BYTES = 8 * 1024 * 1024;

type KeepDeps = Pick<Deps, 'config' | 'decoding' | 'inputs' | 'ledger'>;

/**
 * Streams a file into the store of inputs, under the BLAKE3 of its content: the same content is one file, whoever sends it.
 * Nothing of it is in memory but the pieces under way, and the whole of a picture. Throws body_too_large, invalid_image,
 * upload_limit_reached, storage_share_exceeded, validation_failed for an empty one, hash_mismatch, storage_failed, and what `source` throws; then nothing is kept.
 */
export async function keepFile(
  deps: KeepDeps,
  source: AsyncIterable<Uint8Array>,
  options: KeepFileOptions,
): Promise<AssetFile> {
  const { caller, filename = '', announced, pointer, isSent, signal } = options;
  await requireStorageShare(deps, caller);
  const hash = await createBLAKE3();
  hash.init();
  const look = createLook(deps, options);
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
      look.push(chunk);
      hash.update(chunk);
      if (unbooked >= BOOKED_BYTES) await book();
      yield chunk;
    }
  }
  let file: Omit<AssetFile, 'bytes'> | undefined;
  await deps.inputs.put(
    async () => {
      if (bytes === 0) throw fault('validation_failed', pointer, 'is an empty file');
      const { extension, contentType, kind: told } = await fileFactsOf(look.start(), filename);
      const pixels = await look.pixels();
      await book();
      const digest = hash.digest('hex');
      requireAnnounced(digest, announced);
      // What the key has already keeps its name, whatever it is called now.
      const name = (await deps.ledger.assets.find(caller.id, digest))?.name ?? inputName(digest, extension);
      // A picture that nobody here can look into is a file.
      const kind = pixels !== undefined ? 'image' : told === 'video' || told === 'audio' ? told : 'file';
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

/** The start of a file, and the whole of a picture, while it goes by. */
function createLook({ config, decoding }: KeepDeps, { caller, pointer, holds, signal }: KeepFileOptions) {
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
      return decoding(caller.id, () => {
        signal.throwIfAborted();
        return pixelsOf(joined(), { maxPixels: config.images.maxPixels, pointer });
      });
    },
  };
}

/** Throws hash_mismatch. */
export function requireAnnounced(digest: string, announced: string | undefined): void {
  if (announced === undefined || announced.toLowerCase() === `blake3:${digest}`) return;
  throw new FleetError(
    'hash_mismatch',
    `The file arrived as blake3:${digest}, which is not the hash it was announced with.`,
  );
}

function tooLarge(pointer: string, what: string, most: number): FleetError {
  return fault('body_too_large', pointer, `is a ${what} of more than ${most} bytes`);
}

function fault(code: 'validation_failed' | 'body_too_large', pointer: string, detail: string): FleetError {
  return new FleetError(code, `${pointer} ${detail}.`, { errors: [{ pointer, detail }] });
}

/** Keeps files that arrive with requests. Throws what keepFile throws, and storage_full. */
export function receiveFile(deps: Deps): Receive {
  return async (source, { caller, pointer, filename, announced, holds, signal }) => {
    await deps.requireSpace();
    return keepFile(deps, source, {
      caller: knownCaller(caller),
      filename,
      announced,
      pointer,
      isSent: true,
      holds,
      signal,
    });
  };
}
