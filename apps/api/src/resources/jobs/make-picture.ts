import {
  type FieldError,
  FleetError,
  generateRequestSchema,
  type Img2ImgRequest,
  img2imgRequestSchema,
} from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { type FoundPicture, findFrame, sentPicture, urlPicture } from '../../files/find-picture.js';
import { keepPicture } from '../../files/keep-picture.js';
import { digestOf } from '../../files/picture-bytes.js';
import { chargeUpload } from '../../files/storage.js';
import { pictureLimits, pictureSpec } from '../../orders/job-specs.js';
import { orderJob } from '../../orders/order-job.js';
import { callbackOf } from '../../orders/submit-jobs.js';
import type { ApiRequest, Handler } from '../../server/messages.js';
import { createLimitedValidator, refuseFaults } from '../../server/validator.js';

export function generate(deps: Deps): Handler {
  const validate = createLimitedValidator(generateRequestSchema);
  return async (request) => {
    const { value, errors } = validate(pictureLimits(deps, 'text2img', request.caller))(request.body, {
      isForm: false,
    });
    refuseFaults(errors);
    return orderJob(deps, request, value, () => pictureSpec(deps, 'text2img', value));
  };
}

export function img2img(deps: Deps): Handler {
  const validate = createLimitedValidator(img2imgRequestSchema);
  return async (request) => {
    const { caller } = request;
    const { image, fields } = withoutPicture(request.body);
    refuseLongTexts(fields, deps.config.http.maxJsonBytes);
    const { value, errors } = validate(pictureLimits(deps, 'img2img', caller))(fields, request);
    refuseFaults([...errors, ...pictureFaults(value, image, request)]);
    const sent = sentPicture(deps, image, request);
    const isRepeatable = request.header('idempotency-key') !== undefined;
    const requested = sent === undefined || !isRepeatable ? value : { ...value, image: await digestOf(sent.data) };
    return orderJob(deps, request, requested, async () => {
      // The webhook is checked first: a request with an invalid one must neither store its picture nor be charged for it.
      const callback = callbackOf(value, caller, deps.webhookRefusal) ?? null;
      // The picture is stored before the job is created, because a worker may claim the job at once.
      const picture = await keptPicture(deps, value, request, sent);
      const source = value.source === undefined ? {} : { source: value.source };
      return pictureSpec(deps, 'img2img', value, { input: { ...picture, ...source }, callback });
    });
  };
}

async function keptPicture(deps: Deps, value: Img2ImgRequest, request: ApiRequest, sent: FoundPicture | undefined) {
  const { source, image_url = '' } = value;
  if (source !== undefined) {
    return keepPicture(deps, () => findFrame(deps, source, request.caller), request, '/source');
  }
  const raw = sent ?? (await urlPicture(deps, image_url, request));
  await chargeUpload(deps, request.caller, raw.data.length);
  return keepPicture(deps, () => raw.data, request, raw.pointer);
}

/** Takes the picture out of the body: validation would read its megabytes of text character by character. */
function withoutPicture(body: unknown): { readonly image: string | undefined; readonly fields: unknown } {
  const { image, ...fields } = Object(body) as Readonly<Record<string, unknown>>;
  return typeof image === 'string' && image !== '' ? { image, fields } : { image: undefined, fields: body };
}

/** Texts besides the picture have the limit of other bodies: validation would read each character of all 27 MiB. */
function refuseLongTexts(fields: unknown, most: number): void {
  if (charsIn(fields) <= most) return;
  throw new FleetError('body_too_large', `The texts besides the picture have more than ${most} characters together.`);
}

function charsIn(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce<number>((sum, part) => sum + charsIn(part), 0);
}

function pictureFaults(
  { image_url, source }: Img2ImgRequest,
  image: string | undefined,
  { file }: ApiRequest,
): FieldError[] {
  const given = [file, image, image_url, source].filter((place) => place !== undefined).length;
  if (given === 1) return [];
  const detail =
    given === 0 ? 'is required, unless you give image_url or source' : 'give only one of image, image_url and source';
  return [{ pointer: '/image', detail }];
}
