import { FleetError } from '@comfy-fleet/contracts';
import { openUpload, type PictureTexts, type Place, type Workflow, WorkflowError } from '@comfy-fleet/workflows';
import { atPlace } from '../../orders/pointers.js';
import { type JsonLimits, parseJsonBody } from '../../server/json-body.js';
import type { ApiRequest } from '../../server/messages.js';

export interface PublishLimits {
  /** Of JSON. */
  readonly maxBytes: number;
  readonly json: JsonLimits;
}

/** Takes what came for a name: JSON or a picture. Throws invalid_workflow, malformed_json, body_too_large. */
export async function readPublished(
  name: string,
  { body, contentType }: Pick<ApiRequest, 'body' | 'contentType'>,
  limits: PublishLimits,
): Promise<Workflow> {
  if (!Buffer.isBuffer(body) || body.length === 0) throw invalid(['The request has no body: send the workflow in it']);
  const upload = contentType === 'application/json' ? await checkedText(body, limits) : await textsOf(body, limits);
  try {
    return openUpload(name, upload);
  } catch (error) {
    if (error instanceof WorkflowError) throw invalid(error.faults, error.places);
    throw error;
  }
}

/** Throws body_too_large for too many bytes and too much structure. */
async function checkedText(data: Buffer, { maxBytes, json }: PublishLimits): Promise<string> {
  if (data.length > maxBytes) {
    throw new FleetError('body_too_large', `The workflow is larger than ${maxBytes} bytes.`);
  }
  // Invalid JSON is reported later, with all other faults of the workflow.
  await parseJsonBody(data, { limits: json, isExact: true }).catch((error: unknown) => {
    if (!(error instanceof FleetError) || error.code !== 'malformed_json') throw error;
  });
  return data.toString();
}

async function textsOf(data: Buffer, limits: PublishLimits): Promise<PictureTexts> {
  // Not at the top: it knows all that cameras write into pictures, and is asked when a workflow comes in one.
  const { promptOfPicture } = await import('./prompt-of-picture.js');
  // the editor's own format says more of the same graph
  const texts = promptOfPicture(data, 2 * limits.maxBytes);
  if (texts === undefined) {
    throw invalid([
      'The picture has no workflow in it: ComfyUI writes one into the PNG and WebP that it saves, and other programs remove it',
    ]);
  }
  for (const text of [texts.prompt, texts.workflow])
    if (text !== undefined) await checkedText(Buffer.from(text), limits);
  return texts;
}

/** `places`: where in the graph they are, as far as that is known. */
function invalid(faults: readonly string[], places: readonly (Place | undefined)[] = []): FleetError {
  const errors = faults.map((detail, index) => {
    const place = places[index];
    return { pointer: place === undefined ? '' : atPlace(place), detail };
  });
  return new FleetError('invalid_workflow', `${faults.join('; ')}.`, { errors });
}
