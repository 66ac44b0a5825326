import { Readable } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import type { Workflow } from '@comfy-fleet/workflows';
import type { Source } from '../../decoding/tasks.js';
import { keepFile } from '../../files/keep-file.js';
import { pieces } from '../../files/picture-bytes.js';
import { invalidImage } from '../../server/field-errors.js';
import type { SentFile } from '../../server/messages.js';
import { invalidField } from '../../server/validator.js';
import type { Task } from './images-request.js';
import { isNeeded, MASK } from './models.js';
import type { SentPictures } from './sent-pictures.js';

const OPAQUE = 'must have transparent parts, which mark what to change';
const MASKLESS = 'is required, unless the picture has transparent parts, which mark what to change';

/**
 * Prepares the pictures of an edit as files for the inputs of the workflow. The transparency of the mask becomes the
 * workflow's mask. A picture whose own transparency is not used gets a white background, because ComfyUI would show the
 * colours of its transparent pixels. Throws validation_failed, invalid_image, storage_failed.
 */
export async function preparePictures(task: Task, workflow: Workflow, sent: SentPictures): Promise<SentFile[]> {
  const { pictures, mask, maskAs } = sent;
  const first = pictures[0]?.file;
  const prepared = async (file: SentFile): Promise<SentFile> => {
    if (maskAs !== 'transparency' || file !== first) return converted(task, 'onWhite', file);
    if (mask === undefined) return file;
    const made = await converted(task, 'withTransparencyOf', mask, file);
    if (made === mask) throw invalidField(MASK, OPAQUE);
    return made;
  };
  const files: SentFile[] = [];
  for (const { input, file } of pictures) files.push({ ...(await prepared(file)), field: input });
  const needsMask = workflow.inputs.some((input) => input.name === MASK && isNeeded(input));
  const maskSource = mask ?? (needsMask ? first : undefined);
  if (maskAs === 'input' && maskSource !== undefined) {
    const made = await converted(task, 'maskOf', maskSource);
    if (made === maskSource) throw invalidField(MASK, mask === undefined ? MASKLESS : OPAQUE);
    files.push({ ...made, field: MASK });
  }
  return files;
}

/** Makes a new file from others; returns the first file if there is nothing to make. */
async function converted(
  { deps, request }: Task,
  make: 'onWhite' | 'maskOf' | 'withTransparencyOf',
  first: SentFile,
  other = first,
) {
  const { caller, signal, holds } = request;
  const { field, filename } = first;
  const pointer = `/${field}`;
  const [one, two] = [first, other].map(({ file }): Source => ({ store: 'inputs', name: file.name })) as [
    Source,
    Source,
  ];
  const making = () =>
    deps.decoder[make](one, two).catch((cause: unknown) => {
      if (cause instanceof FleetError) throw cause;
      throw invalidImage(pointer, 'The picture cannot be decoded: it is damaged or incomplete.', cause);
    });
  const made = await deps.decoding(caller.id, making, { signal });
  if (made === undefined) return first;
  const about = { caller, filename, pointer, isSent: false, holds, signal };
  return { field, filename, file: await keepFile(deps, Readable.from(pieces(made)), about) };
}
