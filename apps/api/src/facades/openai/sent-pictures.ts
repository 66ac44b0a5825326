import type { Workflow, WorkflowInput } from '@comfy-fleet/workflows';
import type { SentFile } from '../../server/messages.js';
import { isNeeded, MASK, pictureInputs } from './models.js';
import { fault } from './workflow-inputs.js';

/** The pictures of a request and the inputs of its workflow that they are for. */
export interface SentPictures {
  /** At least one. */
  readonly pictures: readonly [SentPicture, ...SentPicture[]];
  readonly mask: SentFile | undefined;
  /**
   * How the workflow takes a mask: as a picture of its own; as the transparency of the first picture, which its loader
   * reads; undefined: not at all.
   */
  readonly maskAs: 'input' | 'transparency' | undefined;
}

export interface SentPicture {
  readonly input: string;
  readonly file: SentFile;
}

/** `image`, and as clients write it when there are several. */
const IMAGE = /^image(\[\d*\])?$/;

/** Gives each file of a form its place. Throws validation_failed for what the workflow has no place for, and what it lacks. */
export function placePictures(workflow: Workflow, files: readonly SentFile[]): SentPictures {
  for (const { field, file } of files) {
    if (field !== MASK && !IMAGE.test(field)) throw fault(field, 'is an unknown file; send image, and perhaps mask');
    if (file.kind !== 'image') throw fault(field, 'is not a PNG, WebP or JPEG');
  }
  const inputs = pictureInputs(workflow);
  const pictures = placed(
    workflow,
    inputs,
    files.filter(({ field }) => IMAGE.test(field)),
  );
  const [mask, ...moreMasks] = files.filter(({ field }) => field === MASK);
  if (moreMasks.length > 0) throw fault(MASK, 'must be one file');
  const maskAs = maskPlace(workflow, inputs[0]);
  if (mask !== undefined && maskAs === undefined) throw fault(MASK, `cannot be used by ${workflow.name}; leave it out`);
  if (mask !== undefined) refuseOtherSize(mask, pictures[0].file);
  return { pictures, mask, maskAs };
}

function placed(workflow: Workflow, inputs: readonly WorkflowInput[], files: readonly SentFile[]) {
  if (files.length > inputs.length) {
    throw fault('image', `must be at most ${inputs.length} for ${workflow.name}; ${files.length} were sent`);
  }
  const lacking = inputs.slice(files.length).filter(isNeeded);
  if (lacking.length > 0 && files.length > 0) {
    const all = inputs.map(({ name }) => name).join(', ');
    throw fault('image', `must be ${files.length + lacking.length} for ${workflow.name}: ${all}, in this order`);
  }
  const [first, ...others] = files.map((file, index): SentPicture => ({ input: inputs[index]?.name ?? '', file }));
  if (first === undefined) throw fault('image', 'is required');
  return [first, ...others] as const;
}

function maskPlace({ graph, inputs }: Workflow, first: WorkflowInput | undefined): SentPictures['maskAs'] {
  if (inputs.some(({ name, type }) => name === MASK && type === 'image')) return 'input';
  const loaders = (first?.slots ?? [])
    .map(({ node }) => node)
    .filter((node) => graph[node]?.class_type === 'LoadImage');
  const isMaskOf = (value: unknown) => Array.isArray(value) && loaders.includes(value[0]) && value[1] === 1;
  return Object.values(graph).some((node) => Object.values(node.inputs).some(isMaskOf)) ? 'transparency' : undefined;
}

function refuseOtherSize({ file: mask }: SentFile, { file: picture }: SentFile): void {
  if (mask.width === picture.width && mask.height === picture.height) return;
  const is = `${mask.width}×${mask.height}`;
  throw fault(MASK, `must have the size of the picture, ${picture.width}×${picture.height}; it has ${is}`);
}
