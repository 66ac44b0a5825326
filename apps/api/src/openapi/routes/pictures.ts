import { FRAME_TYPES } from '@comfy-fleet/frames';
import Type from 'typebox';
import { FORMATS } from '../../pictures/derived-options.js';
import type { DocumentSettings, OperationDocs } from '../operation.js';
import type { HeaderUse } from '../response-headers.js';

const TYPES = Object.values(FRAME_TYPES);
const PICTURE: HeaderUse = { ETag: 'always', 'Cache-Control': 'always', 'Accept-Ranges': 'always' };
const BYTES = Object.fromEntries(TYPES.map((type) => [type, 'bytes' as const]));

export function pictureDocs({ widths }: DocumentSettings): OperationDocs {
  const query = Type.Object({
    width: Type.Optional(Type.Enum([...widths], { description: 'Pixels. A picture is never enlarged.' })),
    format: Type.Optional(
      Type.Enum(Object.keys(FORMATS), { description: 'As it was made when absent, or PNG where it is made of a GIF.' }),
    ),
  });
  return {
    'GET /images/:filename': {
      id: 'getImage',
      tag: 'pictures',
      summary: 'Read a picture',
      description:
        'As it was made (PNG, JPEG, WebP or GIF, as the workflow saved it), or narrower or in another format. A picture of this name never changes.',
      query,
      headers: ['Range', 'If-Range', 'If-None-Match'],
      answers: {
        200: { description: 'The picture.', content: BYTES, headers: { ...PICTURE, 'Content-Length': 'always' } },
        206: {
          description: 'The bytes that were asked for.',
          content: BYTES,
          headers: { ...PICTURE, 'Content-Length': 'always', 'Content-Range': 'always' },
        },
        302: {
          description:
            'Where the picture can be had for some minutes, if the operator keeps pictures in a bucket and lets it serve them. Only an answer to a GET of the whole picture by its URL alone: without an API key, a range or an entity tag, and not to a script of a page. The bucket has entity tags of its own.',
          headers: { Location: 'always', 'Cache-Control': 'always' },
        },
        304: { description: 'The caller has it already.', headers: PICTURE },
      },
      errors: ['image_not_found', 'range_not_satisfiable', 'queue_unavailable', 'storage_failed'],
    },
  };
}
