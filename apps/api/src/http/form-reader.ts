import { inThisTrace } from '@comfy-fleet/telemetry';
import multer, { type Multer } from 'multer';

export interface BodyLimits {
  /** Bytes of JSON, besides a picture in it; also of each text field of a form. */
  readonly maxJsonBytes: number;
  readonly maxImageBytes: number;
  /** Of bodies with pictures, all together. */
  readonly maxUploadingBytes: number;
}

/** Far more fields than there are, so that an unknown one is named instead of being one too many. */
const MAX_FORM_FIELDS = 32;

/** Reads a form with one picture in the file field `image`, into memory; other content types pass it by. */
export function formReader({ maxJsonBytes, maxImageBytes }: BodyLimits): ReturnType<Multer['single']> {
  const limits = {
    fileSize: maxImageBytes,
    fieldSize: maxJsonBytes,
    fieldNameSize: 100,
    fields: MAX_FORM_FIELDS,
    parts: MAX_FORM_FIELDS + 1,
  };
  const read = multer({ storage: multer.memoryStorage(), limits }).single('image');
  // What it calls when it is done, it calls from the events of the body, which know of no trace.
  return (request, response, next) => read(request, response, inThisTrace(next));
}
