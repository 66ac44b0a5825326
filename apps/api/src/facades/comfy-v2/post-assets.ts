import type { Asset, AssetFile, KeptAsset } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { requireAnnounced } from '../../files/keep-file.js';
import { idempotencyDigest } from '../../orders/idempotency.js';
import { knownCaller } from '../../server/caller.js';
import type { ApiRequest, Handler, Reply } from '../../server/messages.js';
import { ownNameOf } from '../../server/own-name.js';
import { type AssetSaid, nameOf, readAssetSaid } from './asset-body.js';
import { ComfyV2Error, invalidField } from './errors.js';
import { linksFor } from './links.js';
import { presentAsset } from './present-asset.js';

/** POST /api/v2/assets: 201 for content that the key did not have, else 200. Of what is refused nothing is kept. */
export function postAsset(deps: Deps): Handler {
  return async (request) => {
    const [sent] = request.files;
    if (sent === undefined) throw invalidField('file', 'is required: send it as the part "file" of the form');
    try {
      const { said, once } = readForm(deps, request, sent.file);
      const filename = ownNameOf(said.path) ?? null;
      const kept = await keep(deps, request, { ...sent.file, filename }, { ...said, once });
      return answer(deps, request, kept, kept.isNewContent ? 201 : 200);
    } catch (error) {
      await deps.ledger.assets.leave(sent.file);
      throw error;
    }
  };
}

function readForm({ config }: Deps, { body, header }: ApiRequest, file: AssetFile) {
  const fields = (body ?? {}) as Readonly<Record<string, unknown>>;
  for (const name of ['content_type', 'file_path']) {
    if (typeof fields[name] !== 'string' || fields[name] === '') throw invalidField(name, 'is required');
  }
  const { expected_hash: announced } = fields;
  if (announced !== undefined && typeof announced !== 'string') throw invalidField('expected_hash', 'must be one text');
  // It may stand behind the file.
  requireAnnounced(file.digest, announced);
  const once = idempotencyDigest(header('idempotency-key'), FAMILY);
  return { said: readAssetSaid(fields, config.limits), once };
}

/** The Idempotency-Keys of files are not those of jobs. */
const FAMILY = '/api/v2/assets';

/** POST /api/v2/assets/from-hash: 201 for a file under a path that the key does not have it under, else 200. */
export function assetFromHash(deps: Deps): Handler {
  return async (request) => {
    const fields = (request.body ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof fields.hash !== 'string') throw invalidField('hash', 'is required: blake3:<hex>');
    const said = readAssetSaid(fields, deps.config.limits);
    const known = await findByHash(deps, request, fields.hash);
    if (known === undefined) {
      throw new ComfyV2Error(
        'asset_not_found',
        'blob_not_found',
        'You have sent no file with this hash, or it is gone.',
      );
    }
    const { digest, name, kind, contentType, bytes, filename, width, height } = known;
    const size = width === undefined || height === undefined ? {} : { width, height };
    const file = { digest, name, kind, contentType, bytes, filename, ...size };
    const kept = await keep(deps, request, file, said);
    return answer(deps, request, { ...kept, isNewContent: false }, kept.isNew ? 201 : 200);
  };
}

/** HEAD /api/v2/assets/by-hash/{hash} */
export function assetByHash(deps: Deps): Handler {
  return async (request) => {
    if ((await findByHash(deps, request, request.params.hash ?? '')) !== undefined) return { status: 200 };
    throw new ComfyV2Error('asset_not_found', 'blob_not_found', 'You have sent no file with this hash, or it is gone.');
  };
}

/** The key's asset with that content; its file is there, and stays so for as long as one that was just sent. */
async function findByHash(deps: Deps, { caller }: ApiRequest, hash: string): Promise<Asset | undefined> {
  const digest = /^blake3:([0-9a-f]{64})$/i.exec(hash)?.[1]?.toLowerCase();
  const found = digest && (await deps.ledger.assets.find(knownCaller(caller).id, digest));
  return found && (await deps.inputs.touch(found.name)) ? found : undefined;
}

async function keep(
  { ledger: { assets } }: Deps,
  { caller }: ApiRequest,
  file: AssetFile & Pick<Asset, 'filename'>,
  { path, ...said }: AssetSaid & { readonly once?: string | undefined },
): Promise<KeptAsset> {
  const { id: key } = knownCaller(caller);
  const kept = await assets.keep(key, file, { path, ...said });
  if (path !== undefined) await assets.name(key, nameOf(path), kept.asset.id, { overwrite: true });
  return kept;
}

async function answer(
  deps: Deps,
  request: ApiRequest,
  { asset, isNewContent }: Pick<KeptAsset, 'asset' | 'isNewContent'>,
  status: 200 | 201,
): Promise<Reply> {
  const links = await linksFor(deps, request);
  const body = { ...presentAsset(asset, links), created_new: isNewContent };
  return { status, headers: { Location: links.api(`/api/v2/assets/${asset.id}`) }, body };
}
