import type { Workflow, WorkflowInput } from '@comfy-fleet/workflows';
import type { SentFile } from '../../server/messages.js';
import { invalidField } from '../../server/validator.js';
import { isNeeded, MASK, pictureInputs } from './models.js';

/** The form fields of pictures; some clients number them. */
const IMAGE = /^image(\[\d*\])?$/;

/** The pictures of a request, assigned to the inputs of the workflow. */
export interface SentPictures {
  readonly pictures: readonly { readonly input: string; readonly file: SentFile }[];
  readonly mask: SentFile | undefined;
  /** Whether the workflow reads the mask as a separate input or as the first picture's transparency; undefined: neither. */
  readonly maskAs: 'input' | 'transparency' | undefined;
}

export const NO_PICTURES: SentPictures = { pictures: [], mask: undefined, maskAs: undefined };

/** Assigns files to inputs. Throws validation_failed for files that the workflow does not take, and for missing ones. */
export function placePictures(workflow: Workflow, files: readonly SentFile[]): SentPictures {
  for (const { field, file } of files) {
    const isKnown = field === MASK || IMAGE.test(field);
    if (!isKnown) throw invalidField(field, 'is an unknown file field; send image, and optionally mask');
    if (file.kind !== 'image') throw invalidField(field, 'must be a PNG, WebP or JPEG');
  }
  const inputs = pictureInputs(workflow);
  const images = files.filter(({ field }) => field !== MASK);
  const pictures = placed(workflow, inputs, images);
  const [mask, ...moreMasks] = files.filter(({ field }) => field === MASK);
  if (moreMasks.length > 0) throw invalidField(MASK, 'must be one file');
  const maskAs = maskPlace(workflow, inputs[0]);
  if (mask === undefined) return { pictures, mask, maskAs };
  if (maskAs === undefined) throw invalidField(MASK, `cannot be used by ${workflow.name}; omit it`);
  const [own, { width, height }] = [mask.file, pictures[0].file.file];
  if (own.width !== width || own.height !== height) {
    const sizes = `${width}×${height}; it has ${own.width}×${own.height}`;
    throw invalidField(MASK, `must be as large as the picture, ${sizes}`);
  }
  return { pictures, mask, maskAs };
}

function placed(workflow: Workflow, inputs: readonly WorkflowInput[], files: readonly SentFile[]) {
  if (files.length > inputs.length) {
    throw invalidField('image', `has ${files.length} files, but ${workflow.name} takes at most ${inputs.length}`);
  }
  const lacking = inputs.slice(files.length).filter(isNeeded);
  if (lacking.length > 0 && files.length > 0) {
    const all = inputs.map(({ name }) => name).join(', ');
    throw invalidField(
      'image',
      `needs ${files.length + lacking.length} files for ${workflow.name}: ${all}, in this order`,
    );
  }
  const [first, ...others] = files.map((file, index) => ({ input: inputs[index]?.name ?? '', file }));
  if (first === undefined) throw invalidField('image', 'is required');
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
