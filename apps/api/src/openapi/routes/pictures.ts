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
      Type.Enum(Object.keys(FORMATS), { description: 'By default the original format; PNG for a resized GIF.' }),
    ),
  });
  return {
    'GET /images/:filename': {
      id: 'getImage',
      tag: 'pictures',
      summary: 'Read a picture',
      description:
        'The original (PNG, JPEG, WebP or GIF, as the workflow saved it), or a smaller copy or another format. The picture under a name never changes.',
      query,
      headers: ['Range', 'If-Range', 'If-None-Match'],
      answers: {
        200: { description: 'The picture.', content: BYTES, headers: { ...PICTURE, 'Content-Length': 'always' } },
        206: {
          description: 'The requested bytes.',
          content: BYTES,
          headers: { ...PICTURE, 'Content-Length': 'always', 'Content-Range': 'always' },
        },
        302: {
          description:
            'Address of the picture in the bucket, valid for some minutes, if the operator lets a bucket serve the pictures. Only for a GET of the whole picture without an API key, a range or an entity tag, and not from a script of a web page. The bucket has its own entity tags.',
          headers: { Location: 'always', 'Cache-Control': 'always' },
        },
        304: { description: 'The caller has it already.', headers: PICTURE },
      },
      errors: ['image_not_found', 'range_not_satisfiable', 'queue_unavailable', 'storage_failed'],
    },
  };
}
