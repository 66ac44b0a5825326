import type { Lod, RequestLimits } from '@comfy-fleet/contracts';
import type { JobRecord, Picture } from '@comfy-fleet/jobs';
import Type, { type Static } from 'typebox';
import type { Deps } from '../../deps.js';
import type { ApiRequest } from '../../server/messages.js';
import { createFieldReader } from '../../server/validator.js';
import type { Use } from './models.js';

/** OpenAI's limits for one request. */
const MAX_PICTURES = 10;
const MAX_PARTIALS = 3;
const MAX_MODEL_CHARS = 255;

/** The level of detail for each quality; undefined: the default level. */
const LODS_OF_QUALITIES = {
  low: 'sketch',
  medium: undefined,
  standard: undefined,
  auto: undefined,
  high: 'final',
  hd: 'final',
  xhigh: 'final',
  max: 'final',
} as const satisfies Readonly<Record<string, Lod | undefined>>;
const QUALITIES_OF_LODS = { sketch: 'low', mid: 'medium', final: 'high', direct_final: 'high' } as const;

const imagesSchema = ({ maxPromptChars }: RequestLimits) =>
  Type.Object({
    prompt: Type.String({ minLength: 1, maxLength: maxPromptChars }),
    model: Type.Optional(Type.String({ maxLength: MAX_MODEL_CHARS })),
    n: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_PICTURES })),
    size: Type.Optional(
      Type.String({ pattern: '^(auto|\\d{1,5}x\\d{1,5})$', description: 'auto, or WIDTHxHEIGHT as in 1024x1024' }),
    ),
    quality: Type.Optional(Type.Enum(Object.keys(LODS_OF_QUALITIES) as (keyof typeof LODS_OF_QUALITIES)[])),
    background: Type.Optional(Type.Enum(['auto', 'opaque', 'transparent'])),
    output_format: Type.Optional(Type.Enum(['png', 'webp', 'jpeg'])),
    output_compression: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
    response_format: Type.Optional(Type.Enum(['b64_json', 'url'])),
    stream: Type.Optional(Type.Boolean()),
    partial_images: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_PARTIALS })),
  });

export type ImagesRequest = Static<ReturnType<typeof imagesSchema>>;

/** A request for pictures, with everything needed to answer it. */
export interface Task {
  readonly deps: Deps;
  readonly request: ApiRequest;
  readonly use: Use;
  readonly wanted: ImagesRequest;
}

/** Models that answer with URLs unless the request asks for base64. */
const ANSWERS_URLS = /^dall-e-[23]$/;

/** Reads JSON or the fields of a form. Throws a validation_failed that lists every error. */
export function createImagesReader(
  limits: RequestLimits,
): (request: Pick<ApiRequest, 'body' | 'isForm'>) => ImagesRequest {
  const read = createFieldReader(imagesSchema(limits));
  return (request) => {
    const value = read(request);
    return ANSWERS_URLS.test(value.model ?? '') ? { response_format: 'url', ...value } : value;
  };
}

export function lodOfQuality({ quality = 'auto' }: Pick<ImagesRequest, 'quality'>): Lod | undefined {
  return LODS_OF_QUALITIES[quality];
}

/** The fields of OpenAI's responses that describe the pictures. `picture`: the first one that was made, if any. */
export function pictureFacts({ wanted }: Task, { lod, request }: JobRecord, output_format: string, picture?: Picture) {
  const { width, height } = picture ?? request.inputs;
  const { background = 'auto' } = wanted;
  const size = typeof width === 'number' && typeof height === 'number' ? `${width}x${height}` : 'auto';
  return { background, output_format, quality: QUALITIES_OF_LODS[lod], size };
}
