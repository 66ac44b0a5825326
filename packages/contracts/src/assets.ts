import Type, { type Static } from 'typebox';
import { named } from './schema-parts.js';

/** The kinds of files that inputs of workflows distinguish; `file` is any other file. */
export const ASSET_KINDS = ['image', 'video', 'audio', 'file'] as const;
export type AssetKind = (typeof ASSET_KINDS)[number];

/** A file that the caller uploaded. */
export const assetSchema = named('Asset', {
  id: Type.String({ format: 'uuid', description: 'To use it as an input, pass `asset:<id>`.' }),
  kind: Type.Enum([...ASSET_KINDS], {
    description: 'Determined from the bytes. An image is a PNG, JPEG, WebP or GIF.',
  }),
  content_type: Type.String(),
  bytes: Type.Integer(),
  hash: Type.String({ pattern: '^blake3:[0-9a-f]{64}$', description: 'Hash of the content.' }),
  filename: Type.Union([Type.String(), Type.Null()], { description: 'The name with which it was uploaded.' }),
  width: Type.Optional(Type.Integer({ description: 'Pixels, of an image.' })),
  height: Type.Optional(Type.Integer({ description: 'Pixels, of an image.' })),
  url: Type.String({ description: 'Address of its content, for the same API key.' }),
  created_at: Type.String({ format: 'date-time' }),
  used_at: Type.String({ format: 'date-time', description: 'When it was last uploaded or used by an order.' }),
  expires_at: Type.String({ format: 'date-time', description: 'When it is deleted, unless it is used before then.' }),
});

/** A page of `GET /assets`, newest first. */
export const assetListSchema = named('AssetList', {
  data: Type.Array(assetSchema),
  has_more: Type.Boolean(),
  next_cursor: Type.Union([Type.String(), Type.Null()]),
});

/** Query of `GET /assets`. */
export const assetListQuerySchema = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20 })),
    cursor: Type.Optional(Type.String({ format: 'uuid', description: 'The `next_cursor` of the previous page.' })),
  },
  { additionalProperties: false },
);

export type AssetView = Static<typeof assetSchema>;
export type AssetList = Static<typeof assetListSchema>;
