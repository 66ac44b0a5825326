import { type FieldError, type Img2ImgRequest, img2imgRequestSchema } from '@comfy-fleet/contracts';
import { inputName } from '@comfy-fleet/frames';
import type { Deps } from '../deps.js';
import type { ApiRequest, Handler } from '../http/messages.js';
import { findPicture } from '../pictures/find-picture.js';
import { type NormalPicture, normalisePicture } from '../pictures/normalise.js';
import { withStorageDeadline } from '../pictures/storage-deadline.js';
import { refuseFaults } from '../requests/refuse-faults.js';
import { createValidator } from '../requests/validator.js';
import { resolve, submitJob } from './submit-job.js';

export function img2img(deps: Deps): Handler {
  const { config, frames } = deps;
  const { maxBytes, maxPixels } = config.images;
  const validate = createValidator(img2imgRequestSchema(config.limits));
  return async (request) => {
    const { value, errors } = validate(request.body, request);
    refuseFaults([...errors, ...pictureFaults(value, request)]);
    const found = await findPicture(value, request, { frames, maxBytes });
    const picture = await normalisePicture(found, { maxPixels, pointer: found.pointer });
    const { sha256, width, height } = picture;
    const source = value.source === undefined ? {} : { source: value.source };
    const resolved = await resolve(deps, 'img2img', value, { sha256, width, height, ...source });
    await store(deps, picture, request);
    return submitJob(deps, 'img2img', resolved, value, request);
  };
}

function pictureFaults(fields: Img2ImgRequest, { file }: ApiRequest): FieldError[] {
  const given = [file, fields.image, fields.source].filter((place) => place !== undefined).length;
  if (given === 1) return [];
  const detail = given === 0 ? 'is required, or source in its place' : 'give one picture only: either image or source';
  return [{ pointer: '/image', detail }];
}

/** Before the job is made: a job that was accepted must find its picture. */
async function store({ inputs }: Deps, { sha256, png }: NormalPicture, request: ApiRequest): Promise<void> {
  const name = inputName(sha256);
  const known = await inputs.stat(name);
  if (known?.sha256 === sha256) return;
  await withStorageDeadline(request.signal, (signal) => inputs.put(name, [png], { signal }));
}
