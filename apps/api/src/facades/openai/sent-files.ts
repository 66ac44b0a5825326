import { FleetError } from '@comfy-fleet/contracts';
import Type from 'typebox';
import type { Deps } from '../../deps.js';
import { allOrNone } from '../../files/all-or-none.js';
import { pieces } from '../../files/in-steps.js';
import { pictureOfText } from '../../files/picture-of-text.js';
import { receiveFile } from '../../files/receive-file.js';
import { fetchFile } from '../../files/resolve-files.js';
import { knownCaller } from '../../server/caller.js';
import type { ApiRequest, SentFile } from '../../server/messages.js';
import { createValidator, refuseFaults } from '../../server/validator.js';
import { MASK } from './models.js';

/** Pictures of one request that are fetched or decoded at a time. */
const AT_ONCE = 4;

/**
 * The pictures of a request as files of the store: those of a form, or those that JSON has in `images[].image_url` and
 * `mask.image_url`. Throws validation_failed, invalid_image, and what fetchFile and receiveFile throw.
 */
export function createSentFiles(deps: Deps): (request: ApiRequest) => Promise<readonly SentFile[]> {
  const place = Type.Object({ image_url: Type.String({ description: 'an http(s) URL or a data URL' }) });
  const schema = Type.Object({
    images: Type.Array(place, { minItems: 1, maxItems: deps.config.http.maxFormFiles }),
    mask: Type.Optional(place),
  });
  const validate = createValidator(schema);
  return async (request) => {
    if (request.isForm) return request.files;
    const { caller, holds } = request;
    const { images, mask } = Object(request.body);
    const { value, errors } = validate({ images, ...(mask == null ? {} : { mask }) }, { isForm: false });
    refuseFaults(errors);
    const named = value.images.map(({ image_url: url }, n) => ({
      field: 'image',
      url,
      pointer: `/images/${n}/image_url`,
    }));
    if (value.mask !== undefined) named.push({ field: MASK, url: value.mask.image_url, pointer: '/mask/image_url' });
    const tasks = named.map((one) => async (signal: AbortSignal): Promise<SentFile> => {
      const file = await pictureAt(deps, { caller, holds, signal }, one);
      return { field: one.field, filename: undefined, file };
    });
    return allOrNone(tasks, { atOnce: AT_ONCE, signal: request.signal });
  };
}

async function pictureAt(
  deps: Deps,
  { caller, holds, signal }: Pick<ApiRequest, 'caller' | 'holds' | 'signal'>,
  { url, pointer }: { readonly url: string; readonly pointer: string },
) {
  if (/^https?:/i.test(url)) {
    return fetchFile(deps, url, { caller: knownCaller(caller), pointer, holds, signal });
  }
  if (!/^data:/i.test(url)) {
    const detail = 'must be an http(s) URL or a data URL';
    throw new FleetError('validation_failed', `${pointer} ${detail}.`, { errors: [{ pointer, detail }] });
  }
  const { data } = await pictureOfText(url, deps.config.images.maxBytes);
  async function* source() {
    yield* pieces(data);
  }
  return receiveFile(deps)(source(), { caller, pointer, filename: undefined, holds, signal });
}
