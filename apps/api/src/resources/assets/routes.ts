import {
  type AssetList,
  type AssetView,
  assetListQuerySchema,
  assetListSchema,
  assetSchema,
  FleetError,
  isId,
  isoTime,
} from '@comfy-fleet/contracts';
import type { Asset } from '@comfy-fleet/jobs';
import Type from 'typebox';
import type { Deps } from '../../deps.js';
import { serveFile, shownAs } from '../../files/serve-file.js';
import { type ApiRoute, contentAnswers, tagged, withQuery } from '../../openapi/route.js';
import type { ApiRequest } from '../../server/messages.js';
import { invalidAt } from '../../server/validator.js';

const DEFAULT_LIMIT = 20;

const ASSETS = { name: 'assets', description: 'Files that jobs start from.' };

export function assetRoutes(deps: Deps): ApiRoute[] {
  const { assets, images } = deps.config;
  const { ledger } = deps;
  return tagged(ASSETS, {
    'POST /assets': {
      access: 'jobs',
      reads: 'file',
      id: 'createAsset',
      summary: 'Upload a file for jobs to start from',
      description: [
        'Send the file as the body, whatever its type, or as the file `file` of a form. The service detects the type from',
        'the bytes, or from the name if the bytes do not show it. A picture (PNG, JPEG, WebP, GIF) may have at most',
        `${images.maxBytes} bytes, any other file ${assets.maxBytes}. Only the API key that sent an asset can see it. An asset`,
        'that has not been used for some time is deleted (`expires_at`).',
      ].join('\n'),
      query: Type.Object({
        filename: Type.Optional(Type.String({ description: 'The name of the file, if the body is the file.' })),
      }),
      body: {
        fileForm: Type.Object({
          file: Type.Unsafe<unknown>({ type: 'string', contentMediaType: 'application/octet-stream' }),
        }),
      },
      answers: {
        200: {
          description: 'The asset with this content, which the key already had.',
          json: assetSchema,
          headers: ['Location'],
        },
        201: { description: 'The new asset.', json: assetSchema, headers: ['Location'] },
      },
      errors: [
        'invalid_image',
        'overloaded',
        'storage_failed',
        'storage_full',
        'storage_share_exceeded',
        'upload_limit_reached',
      ],
      handler: async ({ caller, files: [sent] }) => {
        if (sent === undefined) {
          throw invalidAt('/file', 'is required: send the file as the body, or as the file "file" of a form');
        }
        const { filename = null, file } = sent;
        const { asset, isNew } = await ledger.assets.keep(caller.id, { ...file, filename });
        const location = `${deps.config.http.publicUrl ?? ''}/assets/${asset.id}`;
        return { status: isNew ? 201 : 200, headers: { Location: location }, body: presentAsset(deps, asset) };
      },
    },
    'GET /assets': withQuery({
      access: 'jobs',
      id: 'listAssets',
      summary: 'List assets, newest first',
      query: assetListQuerySchema,
      answers: { 200: { description: 'A page of assets.', json: assetListSchema } },
      handler: async ({ caller }, { limit = DEFAULT_LIMIT, cursor }) => {
        const page = await ledger.assets.list(caller.id, { cursor, limit });
        const body: AssetList = {
          data: page.assets.map((asset) => presentAsset(deps, asset)),
          has_more: page.next !== undefined,
          next_cursor: page.next ?? null,
        };
        return { status: 200, body };
      },
    }),
    'GET /assets/:asset': {
      access: 'jobs',
      id: 'getAsset',
      summary: 'Read an asset',
      answers: { 200: { description: 'The asset.', json: assetSchema } },
      errors: ['asset_not_found'],
      handler: async (request) => ({ status: 200, body: presentAsset(deps, await ownAsset(deps, request)) }),
    },
    'GET /assets/:asset/content': {
      access: 'jobs',
      id: 'getAssetContent',
      summary: 'Read the content of an asset',
      headers: ['Range', 'If-Range', 'If-None-Match'],
      answers: contentAnswers('The file.', ['*/*'], ['Content-Disposition', 'Content-Security-Policy']),
      errors: ['asset_not_found', 'range_not_satisfiable', 'storage_failed'],
      handler: async (request) => {
        const { name, filename, bytes, digest } = await ownAsset(deps, request);
        const info = { bytes, sha256: digest };
        const file = { store: deps.inputs, name, ...shownAs(name, filename ?? name), info, isPrivate: true };
        const reply = await serveFile(deps, request, file);
        if (reply === undefined) throw assetNotFound();
        return reply;
      },
    },
    'DELETE /assets/:asset': {
      access: 'jobs',
      id: 'deleteAsset',
      summary: 'Delete an asset',
      description: 'Refused while an unfinished job starts from the file.',
      answers: { 204: { description: 'The asset has been deleted.' } },
      errors: ['asset_not_found', 'asset_in_use'],
      // The bytes are deleted once no key has an asset with them.
      handler: async ({ caller, params: { asset: id = '' } }) => {
        const verdict = isId(id) ? await ledger.assets.delete(caller.id, id) : 'absent';
        if (verdict === 'absent') throw assetNotFound();
        if (verdict === 'used') {
          throw new FleetError(
            'asset_in_use',
            'A job that has not ended starts from this file; delete the asset when the job has ended.',
          );
        }
        return { status: 204 };
      },
    },
  });
}

async function ownAsset({ ledger }: Deps, { caller, params: { asset: id = '' } }: ApiRequest): Promise<Asset> {
  const asset = isId(id) ? await ledger.assets.get(caller.id, id) : undefined;
  if (asset === undefined) throw assetNotFound();
  return asset;
}

function assetNotFound(): FleetError {
  const detail = 'There is no asset with this id, or it has been deleted or has expired.';
  return new FleetError('asset_not_found', detail);
}

/** Presents an asset to its key. */
function presentAsset({ config }: Deps, asset: Asset): AssetView {
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
    created_at: isoTime(createdAt),
    used_at: isoTime(usedAt),
    expires_at: isoTime(expiresAt),
  };
}
