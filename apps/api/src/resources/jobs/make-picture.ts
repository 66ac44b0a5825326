import { Readable } from 'node:stream';
import {
  type FieldError,
  generateRequestSchema,
  type Img2ImgRequest,
  img2imgRequestSchema,
} from '@comfy-fleet/contracts';
import type { Deps } from '../../deps.js';
import { receiveFile } from '../../files/keep-file.js';
import { digestOf, pictureOfText, pieces } from '../../files/picture-bytes.js';
import { pictureNamed } from '../../files/resolve-files.js';
import { pictureLimits, pictureSpec } from '../../orders/job-specs.js';
import { orderJob } from '../../orders/order-job.js';
import type { ApiRequest, Handler, SentFile } from '../../server/messages.js';
import { createLimitedValidator, invalidAt, refuseFaults } from '../../server/validator.js';

export function generate(deps: Deps): Handler {
  const validate = createLimitedValidator(generateRequestSchema);
  return async (request) => {
    const caller = request.caller;
    const { value, errors } = validate(pictureLimits(deps, 'text2img', caller))(request.body, { isForm: false });
    refuseFaults(errors);
    return orderJob(deps, request, value, () => pictureSpec(deps, 'text2img', value));
  };
}

export function img2img(deps: Deps): Handler {
  const validate = createLimitedValidator(img2imgRequestSchema);
  return async (request) => {
    const { image, fields } = withoutPicture(request.body);
    const { value, errors } = validate(pictureLimits(deps, 'img2img', request.caller))(fields, request);
    refuseFaults([...errors, ...pictureFaults(value, image, request)]);
    const data = image === undefined ? undefined : await pictureOfText(image, deps.config.images.maxBytes);
    const digest = data === undefined ? request.files[0]?.file.digest : await digestOf(data);
    return orderJob(deps, request, { ...value, digest }, async () => {
      // Stored and charged only now, so that a repeat with the same Idempotency-Key costs nothing.
      const files = data === undefined ? request.files : [await storedFile(deps, data, request)];
      return pictureSpec(deps, 'img2img', value, { files, ...named(value) });
    });
  };
}

/** The reference to a picture that did not come with the request, and its field. */
function named({ source, image_url: url }: Img2ImgRequest) {
  if (source !== undefined) return { image: pictureNamed(source, '/source'), imageAt: '/source' };
  if (url === undefined) return {};
  if (!/^https?:/i.test(url)) throw invalidAt('/image_url', 'must be an http(s) URL');
  return { image: url, imageAt: '/image_url' };
}

async function storedFile(deps: Deps, data: Buffer, { caller, holds, signal }: ApiRequest): Promise<SentFile> {
  const arrival = { caller, pointer: '/image', filename: undefined, holds, signal };
  const file = await receiveFile(deps)(Readable.from(pieces(data)), arrival);
  return { field: 'image', filename: undefined, file };
}

/** Takes the picture out of the body: validation would read its megabytes of text character by character. */
function withoutPicture(body: unknown): { readonly image: string | undefined; readonly fields: unknown } {
  const { image, ...fields } = Object(body) as Readonly<Record<string, unknown>>;
  return typeof image === 'string' && image !== '' ? { image, fields } : { image: undefined, fields: body };
}

function pictureFaults(
  { image_url, source }: Img2ImgRequest,
  image: string | undefined,
  { files: [file] }: ApiRequest,
): FieldError[] {
  const given = [file, image, image_url, source].filter((place) => place !== undefined).length;
  if (given === 1) return [];
  const detail =
    given === 0 ? 'is required, unless you give image_url or source' : 'give only one of image, image_url and source';
  return [{ pointer: '/image', detail }];
}
