import type { Lod, RequestLimits } from '@comfy-fleet/contracts';
import Type, { type Static } from 'typebox';
import type { ApiRequest } from '../../server/messages.js';
import { createValidator, refuseFaults } from '../../server/validator.js';
import type { Use } from './models.js';

/** Of one request, as OpenAI has it. */
const MOST_PICTURES = 10;
const MOST_PARTIALS = 3;
const MAX_MODEL_CHARS = 255;

/** The level of detail that each quality stands for; undefined: as without any. */
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

type Quality = keyof typeof LODS_OF_QUALITIES;

const imagesSchema = ({ maxPromptChars }: RequestLimits) =>
  Type.Object({
    prompt: Type.String({ minLength: 1, maxLength: maxPromptChars }),
    model: Type.Optional(Type.String({ maxLength: MAX_MODEL_CHARS })),
    n: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST_PICTURES })),
    size: Type.Optional(
      Type.String({ pattern: '^(auto|\\d{1,5}x\\d{1,5})$', description: 'auto, or WIDTHxHEIGHT as in 1024x1024' }),
    ),
    quality: Type.Optional(Type.Enum(Object.keys(LODS_OF_QUALITIES) as Quality[])),
    background: Type.Optional(Type.Enum(['auto', 'opaque', 'transparent'])),
    output_format: Type.Optional(Type.Enum(['png', 'webp', 'jpeg'])),
    output_compression: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
    response_format: Type.Optional(Type.Enum(['b64_json', 'url'])),
    stream: Type.Optional(Type.Boolean()),
    partial_images: Type.Optional(Type.Integer({ minimum: 0, maximum: MOST_PARTIALS })),
  });

/** What a request for pictures says. */
export type ImagesRequest = Static<ReturnType<typeof imagesSchema>>;

type ImagesReader = (request: Pick<ApiRequest, 'body' | 'isForm'>) => ImagesRequest;

/** Models that answer URLs unless base64 is asked for. Variations have always been made by one of them. */
const ANSWERS_URLS = /^dall-e-[23]$/;
/** Variations have no prompt. These words say what to do to models that follow instructions, and little to others. */
const VARIATION_PROMPT = 'a variation of the picture';

/** Reads JSON or the fields of a form. What OpenAI has besides is ignored. Throws validation_failed with every fault. */
export function createImagesReader(limits: RequestLimits, use: Use): ImagesReader {
  const isVariation = use === 'variations';
  const schema = imagesSchema(limits);
  const validate = createValidator(schema);
  return ({ body, isForm }) => {
    const said = isVariation ? { ...Object(body), prompt: VARIATION_PROMPT } : Object(body);
    const given = Object.entries(said).filter(
      ([name, value]) =>
        Object.hasOwn(schema.properties, name) && value !== null && (name === 'prompt' || value !== ''),
    );
    const meant = isForm ? given.map(([name, value]) => [name, name === 'stream' ? flag(value) : value]) : given;
    const { value, errors } = validate(Object.fromEntries(meant), { isForm });
    refuseFaults(errors);
    const { model = isVariation ? 'dall-e-2' : '' } = value;
    return ANSWERS_URLS.test(model) ? { response_format: 'url', ...value } : value;
  };
}

/** In a form it is text; what is neither stays what it is, to be refused. */
function flag(value: unknown): unknown {
  return value === 'true' ? true : value === 'false' ? false : value;
}

export function lodOfQuality({ quality = 'auto' }: Pick<ImagesRequest, 'quality'>): Lod | undefined {
  return LODS_OF_QUALITIES[quality];
}

const QUALITIES_OF_LODS = { sketch: 'low', mid: 'medium', final: 'high', direct_final: 'high' } as const;

/** What OpenAI calls a level of detail. */
export function qualityOf(lod: Lod): 'low' | 'medium' | 'high' {
  return QUALITIES_OF_LODS[lod];
}
