import { FleetError, isId } from '@comfy-fleet/contracts';
import { type Asset, type AssetFile, isPlainPath, type KeptAsset } from '@comfy-fleet/jobs';
import Type from 'typebox';
import type { Deps } from '../../deps.js';
import { type ServedFile, serveFile, shownAs } from '../../files/serve-file.js';
import { ownNameOf } from '../../server/form-readers.js';
import type { ApiRequest, RouteTable } from '../../server/messages.js';
import { createFieldReader, invalidField } from '../../server/validator.js';
import { ComfyV2Error } from './dialect.js';
import { findOutput, linksFor, presentAsset, presentOutputAsset } from './present.js';

/** The range of `expires_in`. */
const MIN_SECONDS = 60;
const MAX_SECONDS = 604_800;

/** A field about a file in JSON or a form. */
const expiresIn = { expires_in: Type.Optional(Type.Integer({ minimum: MIN_SECONDS, maximum: MAX_SECONDS })) };
const readSent = createFieldReader(
  Type.Object({
    ...expiresIn,
    file_path: Type.String(),
    content_type: Type.String(),
    expected_hash: Type.Optional(Type.String()),
  }),
);
const readHash = createFieldReader(
  Type.Object({ ...expiresIn, file_path: Type.Optional(Type.String()), hash: Type.String() }),
);
type AssetFields = Omit<ReturnType<typeof readHash>, 'hash'>;

export function assetRoutes(deps: Deps): RouteTable {
  return {
    // Answers 201 if the content is new to the key, else 200. A refused file counts for the key until the housekeeping deletes it.
    'POST /assets': {
      access: 'jobs',
      reads: 'file',
      handler: async (request) => {
        const [sent] = request.files;
        if (sent === undefined) throw invalidField('file', 'is required: send it as the part "file" of the form');
        const fields = readSent(request);
        requireHash(sent.file, fields.expected_hash);
        const filename = ownNameOf(fields.file_path) ?? null;
        const kept = await keep(deps, request, { ...sent.file, filename }, fields);
        return answer(deps, request, kept, kept.isNewContent);
      },
    },
    // Answers 201 if the file under that path is new to the key, else 200.
    'POST /assets/from-hash': {
      access: 'jobs',
      reads: 'json',
      handler: async (request) => {
        const fields = readHash(request);
        const known = await findByHash(deps, request, fields.hash);
        const { digest, name, kind, contentType, bytes, filename, width, height } = known;
        const size = width === undefined || height === undefined ? {} : { width, height };
        const file = { digest, name, kind, contentType, bytes, filename, ...size };
        const kept = await keep(deps, request, file, fields);
        return answer(deps, request, { ...kept, isNewContent: false }, kept.isNew);
      },
    },
    'GET /assets/by-hash/:hash': {
      access: 'jobs',
      handler: async (request) => {
        await findByHash(deps, request, request.params.hash ?? '');
        return { status: 200 };
      },
    },
    // The asset is an upload or an output.
    'GET /assets/:asset': {
      access: 'jobs',
      handler: async (request) => {
        const links = await linksFor(deps, request);
        const asset = await sentAsset(deps, request);
        if (asset !== undefined) return { status: 200, body: presentAsset(asset, links) };
        const output = await outputOf(deps, request);
        if (output === undefined) throw assetNotFound();
        return { status: 200, body: presentOutputAsset(deps.config, output, links) };
      },
    },
    'DELETE /assets/:asset': {
      access: 'jobs',
      handler: async (request) => {
        const { asset: id = '' } = request.params;
        const isOutput = (await outputOf(deps, request)) !== undefined;
        if (!isOutput && !isId(id)) throw assetNotFound();
        const verdict = isOutput ? 'used' : await deps.ledger.assets.delete(request.caller.id, id);
        if (verdict === 'absent') throw assetNotFound();
        if (verdict !== 'used') return { status: 204 };
        const detail = isOutput
          ? 'An output is deleted with its job.'
          : 'A job still needs the asset; delete it later.';
        throw new FleetError('asset_in_use', detail);
      },
    },
    'GET /assets/:asset/content': {
      access: 'linked',
      handler: async (request) => {
        const file = await storedFile(deps, request);
        const reply = file && (await serveFile(deps, request, { ...file, isPrivate: true }));
        if (reply === undefined) throw assetNotFound();
        return reply;
      },
    },
  };
}

async function storedFile(deps: Deps, request: ApiRequest): Promise<ServedFile | undefined> {
  const asset = await sentAsset(deps, request);
  if (asset !== undefined) {
    const { name, filename, bytes, digest } = asset;
    return { store: deps.inputs, name, ...shownAs(name, filename ?? name), info: { bytes, sha256: digest } };
  }
  const output = (await outputOf(deps, request))?.output;
  return output && { store: deps.frames, name: output.file, ...shownAs(output.file, output.filename) };
}

/** Finds an asset of the caller, or of any key if the request has a signed URL. */
async function sentAsset({ ledger }: Deps, { params, visitor }: ApiRequest): Promise<Asset | undefined> {
  const { asset: id = '' } = params;
  return isId(id) ? ledger.assets.get(visitor?.id, id) : undefined;
}

async function outputOf(deps: Deps, { params, visitor }: ApiRequest) {
  return visitor && findOutput(deps, visitor.id, params.asset ?? '');
}

function assetNotFound(): FleetError {
  return new FleetError('asset_not_found', 'There is no asset with this id, or it was deleted.');
}

/** Finds the key's asset with that content, and renews the lifetime of its file. Throws asset_not_found. */
async function findByHash(deps: Deps, { caller }: ApiRequest, hash: string): Promise<Asset> {
  const digest = /^blake3:([0-9a-f]{64})$/i.exec(hash)?.[1]?.toLowerCase();
  const found = digest && (await deps.ledger.assets.find(caller.id, digest));
  if (found && (await deps.inputs.touch(found.name))) return found;
  throw new ComfyV2Error('asset_not_found', 'blob_not_found', 'You have no file with this hash, or it was deleted.');
}

function keep(
  { ledger: { assets } }: Deps,
  { caller }: ApiRequest,
  file: AssetFile & Pick<Asset, 'filename'>,
  { file_path: path, expires_in }: AssetFields,
) {
  if (path !== undefined) requirePath(path);
  const lifeMs = expires_in === undefined ? undefined : expires_in * 1000;
  return assets.keep(caller.id, file, { path, lifeMs });
}

/** Throws hash_mismatch for another content than the expected one. */
function requireHash({ digest }: AssetFile, expected: string | undefined): void {
  if (expected === undefined || expected.toLowerCase() === `blake3:${digest}`) return;
  const detail = `The hash of the received file is blake3:${digest}, which differs from the expected one.`;
  throw new FleetError('hash_mismatch', detail);
}

/** Throws validation_failed for an invalid path. */
function requirePath(path: string): void {
  if (!isPlainPath(path)) {
    throw invalidField('file_path', 'must be a path such as photo.png or sub/photo.png, without ".." or "\\"');
  }
  if (path.startsWith('models/')) {
    throw invalidField('file_path', 'names a model, which only operators can install on the instances');
  }
}

async function answer(deps: Deps, request: ApiRequest, { asset, isNewContent }: KeptAsset, isCreated: boolean) {
  const links = await linksFor(deps, request);
  const status = isCreated ? 201 : 200;
  const body = { ...presentAsset(asset, links), created_new: isNewContent };
  return { status, headers: { Location: links.api(`/api/v2/assets/${asset.id}`) }, body };
}
