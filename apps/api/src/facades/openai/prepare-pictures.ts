import { FleetError } from '@comfy-fleet/contracts';
import type { Workflow } from '@comfy-fleet/workflows';
import type { Deps } from '../../deps.js';
import { pieces } from '../../files/in-steps.js';
import { keepFile } from '../../files/keep-file.js';
import { invalidImage } from '../../files/picture-type.js';
import { readStored } from '../../files/stored-picture.js';
import { knownCaller } from '../../server/caller.js';
import type { ApiRequest, SentFile } from '../../server/messages.js';
import { isNeeded, MASK } from './models.js';
import type { SentPictures } from './sent-pictures.js';
import { maskOf, onWhite, withTransparencyOf } from './transparency.js';
import { fault } from './workflow-inputs.js';

const OPAQUE = 'must have transparent parts: those are to be changed';
const MASKLESS = 'is required, unless the picture has transparent parts: those are to be changed';

/**
 * The pictures of an edit as files named by the inputs that they are for. The transparency of a mask is what the workflow
 * gets as its mask. A picture whose own transparency nobody reads gets a white ground, since ComfyUI would show what lies
 * beneath. Throws validation_failed, invalid_image, storage_failed.
 */
export async function preparePictures(
  deps: Deps,
  request: ApiRequest,
  workflow: Workflow,
  { pictures, mask, maskAs }: SentPictures,
): Promise<SentFile[]> {
  const step: Step = (sent, make) => converted(deps, request, sent, make);
  const [{ file: first }] = pictures;
  const files: SentFile[] = [];
  for (const { input, file } of pictures) {
    const isMasked = maskAs === 'transparency' && file === first;
    files.push({ ...(isMasked ? await masked(step, file, mask) : await step([file], onWhite)), field: input });
  }
  const needsMask = workflow.inputs.some((input) => input.name === MASK && isNeeded(input));
  const maskSource = mask ?? (needsMask ? first : undefined);
  if (maskAs === 'input' && maskSource !== undefined) {
    const made = await step([maskSource], maskOf);
    if (made === maskSource) throw fault(MASK, mask === undefined ? MASKLESS : OPAQUE);
    files.push({ ...made, field: MASK });
  }
  return files;
}

/** A file made of others; the first of them where there is nothing to make. */
type Step = (
  sent: readonly [SentFile, ...SentFile[]],
  make: (first: Buffer, ...others: Buffer[]) => Promise<Buffer | undefined>,
) => Promise<SentFile>;

async function masked(step: Step, picture: SentFile, mask: SentFile | undefined): Promise<SentFile> {
  if (mask === undefined) return picture;
  const made = await step([mask, picture], (alpha, colours = alpha) => withTransparencyOf(alpha, colours));
  if (made === mask) throw fault(MASK, OPAQUE);
  return made;
}

async function converted(deps: Deps, request: ApiRequest, ...[sent, make]: Parameters<Step>): Promise<SentFile> {
  const { signal, caller, holds } = request;
  const [first, ...others] = sent;
  const { field, filename } = first;
  const pointer = `/${field}`;
  const made = await deps.decoding(knownCaller(caller).id, async () => {
    signal.throwIfAborted();
    const read = (file: SentFile) => bytesOf(deps, request, file);
    const data = [await read(first), ...(await Promise.all(others.map(read)))] as const;
    return make(...data).catch((cause: unknown) => {
      throw invalidImage(pointer, 'The picture cannot be decoded: it is damaged or not whole.', cause);
    });
  });
  if (made === undefined) return first;
  async function* source(data: Buffer) {
    yield* pieces(data);
  }
  const about = { caller: knownCaller(caller), filename, pointer, isSent: false, holds, signal };
  return { field, filename, file: await keepFile(deps, source(made), about) };
}

async function bytesOf({ inputs }: Deps, { signal }: ApiRequest, { field, file }: SentFile): Promise<Buffer> {
  const data = await readStored(inputs, file.name, signal);
  if (data === undefined) throw new FleetError('validation_failed', `${field} is no longer there; send it again.`);
  return data;
}
