import { Readable } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import FormData from 'form-data';
import { readAnswer } from './answers.js';
import type { Http } from './http.js';
import { isObject, textOr } from './shapes.js';

const WHAT = 'POST /upload/image';

/** POST /upload/image; see `ComfyClient.upload`. */
export async function uploadImage(
  http: Http,
  instance: string,
  name: string,
  data: Readable | Buffer,
  { bytes, signal }: { bytes: number; signal: AbortSignal },
): Promise<string> {
  const form = new FormData();
  form.append('image', data, { filename: name, knownLength: bytes });
  let sourceError: Error | undefined;
  if (data instanceof Readable) data.once('error', (error) => (sourceError = error));
  try {
    const answer = await http.request({ method: 'POST', path: '/upload/image', isTraced: true, body: form, signal });
    if (answer.status === 413) {
      throw new FleetError(
        'comfyui_error',
        `The ComfyUI instance ${instance} refused a picture of ${bytes} bytes as too large.`,
      );
    }
    return readAnswer(instance, WHAT, answer, uploadedName);
  } catch (error) {
    // that the picture could not be read is not the instance's fault
    throw sourceError ?? error;
  } finally {
    if (data instanceof Readable) data.destroy();
  }
}

function uploadedName(body: unknown): string | undefined {
  if (!isObject(body)) return undefined;
  const name = textOr(body.name);
  const subfolder = textOr(body.subfolder) ?? '';
  if (name === undefined) return undefined;
  return subfolder === '' ? name : `${subfolder}/${name}`;
}
