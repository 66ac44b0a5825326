import { FleetError } from '@comfy-fleet/contracts';
import { contentTypeOf, FRAME_TYPES, isFrameName } from '@comfy-fleet/frames';
import Type from 'typebox';
import type { Deps } from '../../deps.js';
import { FORMATS } from '../../files/derived.js';
import { keyOfVisit, maySeeOutput } from '../../files/ownership.js';
import { type ServedFile, serveFile } from '../../files/serve-file.js';
import type { ApiRoute } from '../../openapi/operation.js';
import type { HeaderUse } from '../../openapi/response-headers.js';
import type { ApiRequest, Handler } from '../../server/messages.js';
import { getFile } from './get-file.js';

const PICTURES = {
  name: 'pictures',
  description: 'The pictures and other files that jobs made.',
};
const FILENAME = Type.String({ description: 'The name of the file, as at the end of its URL in the job.' });

const TYPES = Object.values(FRAME_TYPES);
const PICTURE: HeaderUse = { ETag: 'always', 'Cache-Control': 'always', 'Accept-Ranges': 'always' };
const FILE: HeaderUse = { ...PICTURE, 'Content-Disposition': 'sometimes', 'Content-Security-Policy': 'sometimes' };
const FILE_CONTENT = { '*/*': 'bytes' } as const;
const BYTES = Object.fromEntries(TYPES.map((type) => [type, 'bytes' as const]));

export function imageRoutes(deps: Deps): ApiRoute[] {
  const { widths } = deps.config.images;
  const query = Type.Object({
    width: Type.Optional(Type.Enum([...widths], { description: 'Pixels. A picture is never enlarged.' })),
    format: Type.Optional(
      Type.Enum(Object.keys(FORMATS), { description: 'By default the original format; PNG for a resized GIF.' }),
    ),
  });
  return [
    {
      method: 'GET',
      path: '/images/:filename',
      params: { filename: FILENAME },
      access: 'linked',
      handler: getImage(deps),
      id: 'getImage',
      tag: PICTURES,
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
    {
      method: 'GET',
      path: '/files/:filename',
      params: { filename: FILENAME },
      access: 'linked',
      handler: getFile(deps),
      id: 'getFile',
      tag: PICTURES,
      summary: 'Read an output of any kind',
      description:
        'A video, sound, model, text, picture or other file that a job made, or with `?poster` a JPEG of the first frame of a video. The file under a name never changes. Browsers show pictures, videos, sounds and plain text, and keep everything else as a file.',
      query: Type.Object({
        poster: Type.Optional(Type.String({ description: 'Of a video: a picture of it. Its value does not matter.' })),
      }),
      headers: ['Range', 'If-Range', 'If-None-Match'],
      answers: {
        200: {
          description: 'The file.',
          content: FILE_CONTENT,
          headers: { ...FILE, 'Content-Length': 'always' },
        },
        206: {
          description: 'The requested bytes.',
          content: FILE_CONTENT,
          headers: { ...FILE, 'Content-Length': 'always', 'Content-Range': 'always' },
        },
        302: {
          description:
            'Address of the file in the bucket, valid for some minutes, under the same conditions as for pictures.',
          headers: { Location: 'always', 'Cache-Control': 'always' },
        },
        304: { description: 'The caller has it already.', headers: FILE },
      },
      errors: ['file_not_found', 'no_poster', 'range_not_satisfiable', 'queue_unavailable', 'storage_failed'],
    },
  ];
}

/** A picture that a job made, or with `?width=` or `?format=` a smaller or lighter form of it. */
function getImage(deps: Deps): Handler {
  const { access } = deps.config;
  return async (request) => {
    const { filename = '' } = request.params;
    const caller = access.publicImages ? undefined : request.caller;
    const isSeen = isFrameName(filename) && (await maySeeOutput(deps, filename, caller));
    const file = isSeen ? await chosen(deps, filename, request) : undefined;
    const reply = file && (await serveFile(deps, request, file));
    if (reply !== undefined) return reply;
    throw new FleetError('image_not_found', 'There is no picture of this name, or no longer.');
  };
}

async function chosen(deps: Deps, name: string, request: ApiRequest): Promise<ServedFile | undefined> {
  const { frames, derived, derivedStore } = deps;
  const form = derived.wanted(request.query, name);
  if (form === undefined) return { store: frames, name, contentType: contentTypeOf(name) };
  const made = await derived.get(name, form, request.signal, keyOfVisit(deps, request));
  return made && { store: derivedStore, ...made };
}
