import { FleetError } from '@comfy-fleet/contracts';
import { inThisTrace } from '@comfy-fleet/telemetry';
import type { RequestHandler, Response } from 'express';
import multer from 'multer';

export interface FormLimits {
  /** Of everything, what separates the parts included. */
  readonly mostBytes: number;
  /** Of each text field. */
  readonly fieldBytes: number;
  readonly nameBytes: number;
  readonly fields: number;
  readonly pictureBytes: number;
}

/** Called with the number of bytes that arrived; what it throws ends the reading. */
export type Arrived = (bytes: number) => void;

/** Reads a form with one picture in the file field `image`, into memory. */
export function formReader(limits: FormLimits, arrivedOf: (response: Response) => Arrived): RequestHandler {
  const { mostBytes, fieldBytes, nameBytes, fields, pictureBytes } = limits;
  const read = multer({
    storage: multer.memoryStorage(),
    limits: { fileSize: pictureBytes, fieldSize: fieldBytes, fieldNameSize: nameBytes, fields, parts: fields + 1 },
  }).single('image');
  return (request, response, next) => {
    const encoding = request.get('content-encoding') ?? 'identity';
    if (encoding !== 'identity') {
      return next(new FleetError('unsupported_media_type', `The form is packed as ${encoding}; send it as it is.`));
    }
    const arrived = arrivedOf(response);
    // What it calls when it is done, it calls from the events of the body, which know of no trace.
    let done: ((error?: unknown) => void) | undefined = inThisTrace(next);
    const finish = (error?: unknown) => {
      done?.(error);
      done = undefined;
    };
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      if (done === undefined) return;
      bytes += chunk.length;
      try {
        arrived(chunk.length);
        if (bytes > mostBytes) throw new FleetError('body_too_large', `The form is larger than ${mostBytes} bytes.`);
      } catch (error) {
        // What is still to come is thrown away as it comes, so that the answer reaches its caller.
        request.unpipe();
        request.resume();
        finish(error);
      }
    });
    read(request, response, finish);
  };
}
