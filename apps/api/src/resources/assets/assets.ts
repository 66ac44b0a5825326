import { type AssetList, type AssetView, assetListQuerySchema, FleetError, isId } from '@comfy-fleet/contracts';
import type { Asset } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { serveFile, shownAs } from '../../files/serve-file.js';
import { knownCaller } from '../../server/caller.js';
import type { ApiRequest, Handler } from '../../server/messages.js';
import { createQueryReader } from '../../server/validator.js';

const DEFAULT_LIMIT = 20;

/** Keeps the file that was sent as an asset of the caller; 200 for one that it has already. */
export function postAsset(deps: Deps): Handler {
  return async ({ caller, files }) => {
    const [sent] = files;
    if (sent === undefined) {
      const detail = 'is required: send the file as the body, or as the file "file" of a form';
      throw new FleetError('validation_failed', `/file ${detail}.`, { errors: [{ pointer: '/file', detail }] });
    }
    const { filename = null, file } = sent;
    const { asset, isNew } = await deps.ledger.assets.keep(knownCaller(caller).id, { ...file, filename });
    const body = presentAsset(deps, asset);
    const location = `${deps.config.http.publicUrl ?? ''}/assets/${asset.id}`;
    return { status: isNew ? 201 : 200, headers: { Location: location }, body };
  };
}

export function getAsset(deps: Deps): Handler {
  return async (request) => ({ status: 200, body: presentAsset(deps, await ownAsset(deps, request)) });
}

export function getAssetContent(deps: Deps): Handler {
  return async (request) => {
    const { name, filename, bytes, digest } = await ownAsset(deps, request);
    const reply = await serveFile(deps, request, {
      store: deps.inputs,
      name,
      ...shownAs(name, filename ?? name),
      info: { bytes, sha256: digest },
      isPrivate: true,
    });
    if (reply === undefined) throw assetNotFound();
    return reply;
  };
}

export function listAssets(deps: Deps): Handler {
  const read = createQueryReader(assetListQuerySchema);
  return async ({ caller, query }) => {
    const { limit = DEFAULT_LIMIT, cursor } = read(query);
    const { assets, next } = await deps.ledger.assets.list(knownCaller(caller).id, { cursor, limit });
    const body: AssetList = {
      data: assets.map((asset) => presentAsset(deps, asset)),
      has_more: next !== undefined,
      next_cursor: next ?? null,
    };
    return { status: 200, body };
  };
}

/** The caller has it no more. The bytes go when nobody has them. */
export function deleteAsset({ ledger }: Deps): Handler {
  return async ({ caller, params: { asset: id = '' } }) => {
    const verdict = isId(id) ? await ledger.assets.delete(knownCaller(caller).id, id) : 'absent';
    if (verdict === 'absent') throw assetNotFound();
    if (verdict === 'used') {
      throw new FleetError('asset_in_use', 'A job that has not ended starts from this file; delete it afterwards.');
    }
    return { status: 204 };
  };
}

async function ownAsset({ ledger }: Deps, { caller, params: { asset: id = '' } }: ApiRequest): Promise<Asset> {
  const asset = isId(id) ? await ledger.assets.get(knownCaller(caller).id, id) : undefined;
  if (asset === undefined) throw assetNotFound();
  return asset;
}

function assetNotFound(): FleetError {
  return new FleetError(
    'asset_not_found',
    'There is no asset with this id, or it was not used for so long that it went.',
  );
}

/** An asset as callers see it. */
function presentAsset({ config }: Pick<Deps, 'config'>, asset: Asset): AssetView {
  const { id, kind, contentType, bytes, digest, filename, width, height, createdAt, usedAt, expiresAt } = asset;
  return {
    id,
    kind,
    content_type: contentType,
    bytes,
    hash: `blake3:${digest}`,
    filename,
    ...(width === undefined || height === undefined ? {} : { width, height }),
    url: `${config.http.publicUrl ?? ''}/assets/${id}/content`,
    created_at: new Date(createdAt).toISOString(),
    used_at: new Date(usedAt).toISOString(),
    expires_at: new Date(expiresAt).toISOString(),
  };
}
