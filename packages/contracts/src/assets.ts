import Type, { type Static } from 'typebox';

/** What a file is, as far as inputs of workflows tell files apart. A `file` is whatever is none of the others. */
export const ASSET_KINDS = ['image', 'video', 'audio', 'file'] as const;
export type AssetKind = (typeof ASSET_KINDS)[number];

/** An asset: a file that the caller sent. */
export const assetSchema = Type.Object({
  id: Type.String({ format: 'uuid', description: 'An input takes it as `asset:<id>`.' }),
  kind: Type.Enum([...ASSET_KINDS], { description: 'Told by the bytes. An image is a PNG, JPEG, WebP or GIF.' }),
  content_type: Type.String(),
  bytes: Type.Integer(),
  hash: Type.String({ pattern: '^blake3:[0-9a-f]{64}$', description: 'Of the content.' }),
  filename: Type.Union([Type.String(), Type.Null()], { description: 'As it came.' }),
  width: Type.Optional(Type.Integer({ description: 'Pixels, of an image.' })),
  height: Type.Optional(Type.Integer({ description: 'Pixels, of an image.' })),
  url: Type.String({ description: 'Where its content is, for the same API key.' }),
  created_at: Type.String({ format: 'date-time' }),
  used_at: Type.String({ format: 'date-time', description: 'When it was last sent, or used by an order.' }),
  expires_at: Type.String({ format: 'date-time', description: 'When it is deleted, unless it is used before.' }),
});

/** A page of `GET /assets`, newest first. */
export const assetListSchema = Type.Object({
  data: Type.Array(assetSchema),
  has_more: Type.Boolean(),
  next_cursor: Type.Union([Type.String(), Type.Null()]),
});

/** Query of `GET /assets`. */
export const assetListQuerySchema = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20 })),
    cursor: Type.Optional(Type.String({ format: 'uuid', description: 'The `next_cursor` of the page before.' })),
  },
  { additionalProperties: false },
);

export type AssetView = Static<typeof assetSchema>;
export type AssetList = Static<typeof assetListSchema>;
