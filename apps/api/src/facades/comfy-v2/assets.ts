import { FleetError, isId } from '@comfy-fleet/contracts';
import type { Asset } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { serveFile } from '../../files/serve-file.js';
import { shownAs } from '../../files/shown-as.js';
import { knownCaller } from '../../server/caller.js';
import type { ApiRequest, Handler, Reply } from '../../server/messages.js';
import { assetNotFound } from './errors.js';
import { linksFor } from './links.js';
import { findOutput } from './output-ids.js';
import { presentAsset, presentOutputAsset } from './present-asset.js';

/** GET /api/v2/assets/{id}: of a file that was sent, or of an output. */
export function getAsset(deps: Deps): Handler {
  return async (request) => {
    const links = await linksFor(deps, request);
    const asset = await sentAsset(deps, request);
    if (asset !== undefined) return { status: 200, body: presentAsset(asset, links) };
    const output = await outputOf(deps, request);
    const body = output && presentOutputAsset(deps, output, links);
    if (body === undefined) throw assetNotFound();
    return { status: 200, body };
  };
}

/** GET /api/v2/assets/{id}/content, whole or in part. */
export function getAssetContent(deps: Deps): Handler {
  return async (request) => {
    const asset = await sentAsset(deps, request);
    const reply = asset === undefined ? await outputContent(deps, request) : await sentContent(deps, request, asset);
    if (reply === undefined) throw assetNotFound();
    return reply;
  };
}

/** DELETE /api/v2/assets/{id}. Outputs go with their jobs. */
export function deleteAsset(deps: Deps): Handler {
  return async (request) => {
    const { params, caller } = request;
    const { asset: id = '' } = params;
    if ((await outputOf(deps, request)) !== undefined) throw inUse();
    const verdict = isId(id) ? await deps.ledger.assets.delete(knownCaller(caller).id, id) : 'absent';
    if (verdict === 'absent') throw assetNotFound();
    if (verdict === 'used') throw inUse();
    return { status: 204 };
  };
}

function inUse(): FleetError {
  return new FleetError('asset_in_use', 'The asset is still needed, and cannot be deleted yet.');
}

/** Who comes by a signed link has no key. */
async function sentAsset(
  { ledger }: Deps,
  { params: { asset: id = '' }, caller }: ApiRequest,
): Promise<Asset | undefined> {
  return isId(id) ? ledger.assets.get(caller?.id, id) : undefined;
}

async function outputOf(deps: Deps, { params: { asset: id = '' }, caller }: ApiRequest) {
  return caller === undefined ? undefined : findOutput(deps, caller, id);
}

function sentContent(deps: Deps, request: ApiRequest, asset: Asset): Promise<Reply | undefined> {
  const { name, filename, bytes, digest } = asset;
  const info = { bytes, sha256: digest };
  const shown = shownAs(name, filename ?? name);
  return serveFile(deps, request, { store: deps.inputs, name, ...shown, info, isPrivate: true });
}

async function outputContent(deps: Deps, request: ApiRequest): Promise<Reply | undefined> {
  const found = await outputOf(deps, request);
  const output = found?.snapshot.record.outputs[found.index];
  if (output === undefined) return undefined;
  const { file: name, filename } = output;
  return serveFile(deps, request, { store: deps.frames, name, ...shownAs(name, filename), isPrivate: true });
}
