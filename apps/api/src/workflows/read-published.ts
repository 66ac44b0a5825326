import { FleetError } from '@comfy-fleet/contracts';
import { openUpload, type PictureTexts, type Place, type Workflow, WorkflowError } from '@comfy-fleet/workflows';
import { type JsonLimits, JsonScan } from '../http/json-scan.js';
import type { RawBody } from '../http/messages.js';
import { atPlace } from '../requests/pointers.js';
import { utf8Text } from './exact-json.js';

export interface PublishLimits {
  /** Of JSON. */
  readonly maxBytes: number;
  readonly json: JsonLimits;
}

/** Takes what came for a name: JSON or a picture. Throws invalid_workflow, malformed_json, body_too_large. */
export async function readPublished(name: string, raw: RawBody | undefined, limits: PublishLimits): Promise<Workflow> {
  if (raw === undefined || raw.data.length === 0) throw invalid(['The request has no body: send the workflow in it']);
  const upload = raw.contentType === 'application/json' ? utf8Text(raw.data) : await textsOf(raw.data, limits);
  try {
    return openUpload(name, upload);
  } catch (error) {
    if (error instanceof WorkflowError) throw invalid(error.faults, error.places);
    throw error;
  }
}

async function textsOf(data: Buffer, { maxBytes, json }: PublishLimits): Promise<PictureTexts> {
  // Not at the top: it knows all that cameras write into pictures, and is asked when a workflow comes in one.
  const { promptOfPicture } = await import('./prompt-of-picture.js');
  // the editor's own format says more of the same graph
  const texts = promptOfPicture(data, 2 * maxBytes);
  if (texts === undefined) {
    throw invalid([
      'The picture has no workflow in it: ComfyUI writes one into the PNG and WebP that it saves, and other programs remove it',
    ]);
  }
  for (const text of [texts.prompt, texts.workflow ?? '']) {
    const fault = new JsonScan(json).push(Buffer.from(text));
    if (fault !== undefined) throw new FleetError('body_too_large', `The workflow has too much in it: ${fault}.`);
  }
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
