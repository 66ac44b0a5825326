import { Readable } from 'node:stream';
import { FleetError, joinSignals } from '@comfy-fleet/contracts';
import FormData from 'form-data';
import { readAnswer } from './answers.js';
import type { Http } from './http.js';
import { isObject, textOr } from './shapes.js';

const WHAT = 'POST /upload/image';
const PIECE_BYTES = 64 * 1024;

/** POST /upload/image; see `ComfyClient.upload`. */
export async function uploadImage(
  http: Http,
  instance: string,
  name: string,
  data: Readable | Buffer,
  { bytes, signal }: { bytes: number; signal: AbortSignal },
): Promise<string> {
  const source = data instanceof Readable ? data : Readable.from(piecesOf(data));
  // that the picture could not be read is not the instance's fault
  const joined = joinSignals([signal]);
  source.once('error', joined.abort);
  const form = new FormData();
  form.append('image', source, { filename: name, knownLength: bytes });
  const asked = { path: '/upload/image', isTraced: true, body: form, signal: joined.signal };
  try {
    const answer = await http.request({ method: 'POST', ...asked });
    if (answer.status === 413) {
      throw new FleetError(
        'comfyui_error',
        `The ComfyUI instance ${instance} refused a picture of ${bytes} bytes as too large.`,
      );
    }
    return readAnswer(instance, WHAT, answer, uploadedName);
  } finally {
    joined.end();
    source.destroy();
  }
}

/** Each piece that has left shows that the upload goes on. */
function* piecesOf(data: Buffer): Generator<Buffer> {
  for (let from = 0; from < data.length; from += PIECE_BYTES) yield data.subarray(from, from + PIECE_BYTES);
}

function uploadedName(body: unknown): string | undefined {
  if (!isObject(body)) return undefined;
  const name = textOr(body.name);
  const subfolder = textOr(body.subfolder) ?? '';
  if (name === undefined) return undefined;
  return subfolder === '' ? name : `${subfolder}/${name}`;
}
