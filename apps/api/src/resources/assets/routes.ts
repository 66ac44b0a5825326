import { assetListQuerySchema, assetListSchema, assetSchema } from '@comfy-fleet/contracts';
import Type from 'typebox';
import type { Deps } from '../../deps.js';
import type { ApiRoute } from '../../openapi/operation.js';
import type { HeaderUse } from '../../openapi/response-headers.js';
import { deleteAsset, getAsset, getAssetContent, listAssets, postAsset } from './assets.js';

const ASSETS = {
  name: 'assets',
  description: 'Files that jobs start from.',
};
const ASSET_ID = Type.String({ format: 'uuid', description: 'The id of the asset.' });

const CONTENT: HeaderUse = {
  ETag: 'always',
  'Cache-Control': 'always',
  'Accept-Ranges': 'always',
  'Content-Disposition': 'always',
  'Content-Security-Policy': 'sometimes',
};

export function assetRoutes(deps: Deps): ApiRoute[] {
  const { assets, images } = deps.config;
  const bytes = { '*/*': 'bytes' as const };
  const asset = { 'application/json': assetSchema };
  return [
    {
      method: 'POST',
      path: '/assets',
      access: 'jobs',
      reads: 'file',
      handler: postAsset(deps),
      id: 'createAsset',
      tag: ASSETS,
      summary: 'Upload a file for jobs to start from',
      description: [
        'The file is the body, whatever its type, or the file `file` of a form. What it is, its bytes tell, and where they',
        `do not, its name. A picture (PNG, JPEG, WebP, GIF) has at most ${images.maxBytes} bytes, anything else ${assets.maxBytes}.`,
        'An asset is visible to its API key only, and is deleted when it was not used for some time (`expires_at`).',
      ].join('\n'),
      query: Type.Object({
        filename: Type.Optional(Type.String({ description: 'What the file is called, if the body is the file.' })),
      }),
      body: {
        fileForm: Type.Object({
          file: Type.Unsafe<unknown>({ type: 'string', contentMediaType: 'application/octet-stream' }),
        }),
      },
      answers: {
        200: {
          description: 'The asset that the key had already with the same content.',
          content: asset,
          headers: { Location: 'always' },
        },
        201: { description: 'The new asset.', content: asset, headers: { Location: 'always' } },
      },
      errors: [
        'invalid_image',
        'overloaded',
        'queue_unavailable',
        'storage_failed',
        'storage_full',
        'storage_share_exceeded',
        'upload_limit_reached',
      ],
    },
    {
      method: 'GET',
      path: '/assets',
      access: 'jobs',
      handler: listAssets(deps),
      id: 'listAssets',
      tag: ASSETS,
      summary: 'List assets, newest first',
      query: assetListQuerySchema,
      answers: { 200: { description: 'A page of assets.', content: { 'application/json': assetListSchema } } },
      errors: ['queue_unavailable'],
    },
    {
      method: 'GET',
      path: '/assets/:asset',
      params: { asset: ASSET_ID },
      access: 'jobs',
      handler: getAsset(deps),
      id: 'getAsset',
      tag: ASSETS,
      summary: 'Read what an asset is',
      answers: { 200: { description: 'The asset.', content: asset } },
      errors: ['asset_not_found', 'queue_unavailable'],
    },
    {
      method: 'GET',
      path: '/assets/:asset/content',
      params: { asset: ASSET_ID },
      access: 'jobs',
      handler: getAssetContent(deps),
      id: 'getAssetContent',
      tag: ASSETS,
      summary: 'Read the content of an asset',
      headers: ['Range', 'If-Range', 'If-None-Match'],
      answers: {
        200: { description: 'The file.', content: bytes, headers: { ...CONTENT, 'Content-Length': 'always' } },
        206: {
          description: 'The requested bytes.',
          content: bytes,
          headers: { ...CONTENT, 'Content-Length': 'always', 'Content-Range': 'always' },
        },
        304: { description: 'The caller has it already.', headers: CONTENT },
      },
      errors: ['asset_not_found', 'range_not_satisfiable', 'queue_unavailable', 'storage_failed'],
    },
    {
      method: 'DELETE',
      path: '/assets/:asset',
      params: { asset: ASSET_ID },
      access: 'jobs',
      handler: deleteAsset(deps),
      id: 'deleteAsset',
      tag: ASSETS,
      summary: 'Delete an asset',
      description: 'Refused while a job that has not ended starts from the file.',
      answers: { 204: { description: 'It has been deleted.' } },
      errors: ['asset_not_found', 'asset_in_use', 'queue_unavailable'],
    },
  ];
}
