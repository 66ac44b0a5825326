import { buffer } from 'node:stream/consumers';
import { FleetError, type InputFile } from '@comfy-fleet/contracts';
import type { FrameStores } from '@comfy-fleet/frames';
import { maskOf, onWhite, withTransparencyOf } from './masks.js';
import { measure } from './measure.js';
import { convert, normalise, type PictureField, type PictureForm, pixelsOf } from './pictures.js';
import { promptOfPicture } from './prompt-of-picture.js';

/** A picture, or where it is stored, so that it need not be sent. */
export type Source = Buffer | { readonly store: 'frames' | 'inputs'; readonly name: string };

/**
 * Everything that reads the inside of untrusted pictures, videos and sounds. Arguments, results and errors are plain data,
 * because a child process runs it; see children.ts. Throws FleetErrors, and other errors for what cannot be decoded.
 */
export function createTasks(stores: Pick<FrameStores, 'frames' | 'inputs'>) {
  const read = async (source: Source): Promise<Buffer> => {
    if (Buffer.isBuffer(source)) return source;
    const stream = await stores[source.store].open(source.name);
    if (stream === undefined) throw new FleetError('invalid_image', 'The picture was deleted.');
    return buffer(stream);
  };
  return {
    measure: (file: InputFile, maxBytes: number) => measure(stores.inputs, file, maxBytes),
    pixelsOf: async (picture: Source, field: PictureField) => pixelsOf(await read(picture), field),
    normalise: async (picture: Source, field: PictureField) => normalise(await read(picture), field),
    convert: async (picture: Source, form: PictureForm, maxPixels: number) =>
      convert(await read(picture), form, maxPixels),
    onWhite: async (picture: Source) => onWhite(await read(picture)),
    maskOf: async (picture: Source) => maskOf(await read(picture)),
    withTransparencyOf: async (mask: Source, picture: Source) =>
      withTransparencyOf(await read(mask), await read(picture)),
    promptOfPicture,
  };
}

/** Runs the tasks. Call them in the turns `decoding`, which bound how many run at a time. */
export type Decoder = ReturnType<typeof createTasks>;
