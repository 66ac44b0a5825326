import { FleetError } from '@comfy-fleet/contracts';
import { FRAME_TYPES, jobOfPicture } from '@comfy-fleet/frames';
import Type, { type Static } from 'typebox';
import type { Deps } from '../../deps.js';
import { FORMATS } from '../../files/derived.js';
import { keyOfOutput, maySeeOutput } from '../../files/ownership.js';
import { serveFile, shownAs } from '../../files/serve-file.js';
import { type ApiRoute, contentAnswers, tagged, withQuery } from '../../openapi/route.js';
import type { ApiRequest, Reply } from '../../server/messages.js';

/** While it is sent, a file counts as an open stream. */
const STREAM_ERRORS = ['overloaded', 'too_many_streams'] as const;

const PICTURES = { name: 'pictures', description: 'The pictures and other files that jobs made.' };

function formQuery(widths: readonly number[]) {
  return Type.Object({
    width: Type.Optional(
      Type.Enum([...widths], { type: 'integer', description: 'Pixels. A picture is never enlarged.' }),
    ),
    format: Type.Optional(
      Type.Enum(Object.keys(FORMATS) as (keyof typeof FORMATS)[], {
        description: 'By default the original format; PNG for a resized GIF.',
      }),
    ),
  });
}

export function imageRoutes(deps: Deps): ApiRoute[] {
  const common = { access: 'linked', headers: ['Range', 'If-Range', 'If-None-Match'] } as const;
  const toBucket = (description: string) => ({
    302: { description, headers: ['Location'] } as const,
  });
  return tagged(PICTURES, {
    'GET /images/:filename': withQuery({
      ...common,
      id: 'getImage',
      summary: 'Read a picture',
      description:
        'The original (PNG, JPEG, WebP or GIF, as the workflow saved it), or a smaller copy or another format. The picture under a name never changes.',
      query: formQuery(deps.config.images.widths),
      answers: {
        ...contentAnswers('The picture.', Object.values(FRAME_TYPES)),
        ...toBucket(
          'A redirect to the picture in the bucket, valid for some minutes, if the operator lets a bucket serve pictures. Only a GET of the whole picture is redirected, without an API key, range or entity tag, and not one by a script of a web page. The bucket has its own entity tags.',
        ),
      },
      errors: [
        'image_not_found',
        'invalid_image',
        'range_not_satisfiable',
        'storage_failed',
        'storage_full',
        'storage_share_exceeded',
        ...STREAM_ERRORS,
      ],
      handler: (request, form) => getImage(deps, request, form),
    }),
    'GET /files/:filename': {
      ...common,
      id: 'getFile',
      summary: 'Read an output of any kind',
      description:
        'A video, sound, model, text, picture or other file that a job made. The file under a name never changes. Browsers show pictures, videos, sounds and plain text, and save everything else.',
      answers: {
        ...contentAnswers('The file.', ['*/*'], ['Content-Disposition', 'Content-Security-Policy']),
        ...toBucket(
          'A redirect to the file in the bucket, valid for some minutes, under the same conditions as for pictures.',
        ),
      },
      errors: ['file_not_found', 'range_not_satisfiable', 'storage_failed', ...STREAM_ERRORS],
      handler: (request) => getFile(deps, request),
    },
  });
}

/** Serves a picture that a job made; with `?width=` or `?format=`, a smaller copy or another format. */
async function getImage(deps: Deps, request: ApiRequest, form: Static<ReturnType<typeof formQuery>>): Promise<Reply> {
  const { filename = '' } = request.params;
  const { visitor, signal } = request;
  const isVisitor = visitor === undefined;
  const decoding = isVisitor ? deps.decodingForVisitors : deps.decoding;
  const visit = { key: isVisitor ? await keyOfOutput(deps, filename) : visitor.id, decoding, signal };
  const file = (await maySee(deps, request, filename)) ? await deps.derived.picture(filename, form, visit) : undefined;
  const reply = file && (await serveFile(deps, request, file));
  if (reply !== undefined) return reply;
  throw new FleetError('image_not_found', 'There is no picture with this name, or it has been deleted.');
}

/** Serves an output of any kind. */
async function getFile(deps: Deps, request: ApiRequest): Promise<Reply> {
  const { filename: name = '' } = request.params;
  const isSeen = await maySee(deps, request, name);
  const file = isSeen && { store: deps.frames, name, ...shownAs(name, await ownNameOf(deps, name)) };
  const reply = file && (await serveFile(deps, request, file));
  if (reply) return reply;
  throw new FleetError('file_not_found', 'There is no file with this name, or it has been deleted.');
}

function maySee(deps: Deps, { visitor }: ApiRequest, filename: string): Promise<boolean> {
  return maySeeOutput(deps, filename, deps.config.access.publicImages ? undefined : visitor);
}

/** The name that ComfyUI gave the file, or our own name for it if the job cannot be read. */
async function ownNameOf({ ledger: { jobs }, log }: Deps, name: string): Promise<string> {
  const id = jobOfPicture(name) ?? '';
  const snapshot = await jobs.get(id).catch((error: unknown) => {
    log.debug('a file is served under our own name for it', { name, error });
    return undefined;
  });
  return snapshot?.record.outputs.find(({ file }) => file === name)?.filename ?? name;
}
