import { Readable } from 'node:stream';
import { FleetError, joinSignals } from '@comfy-fleet/contracts';
import FormData from 'form-data';
import { OutputMissing } from './errors.js';
import { type Http, readAnswer, unexpectedStatus } from './http.js';
import { isObject, textOr } from './json.js';
import type { FilePlace } from './output-file.js';

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
  // A failure to read the file is not the instance's fault.
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

/** In pieces, so that each one shows progress of the upload. */
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

/** A file that is being downloaded. */
export interface ViewedFile {
  readonly stream: Readable;
  readonly contentType: string | undefined;
  /** Length, if the server reports it. */
  readonly bytes: number | undefined;
}

/** GET /view; see `ComfyClient.view`. */
export async function viewFile(
  http: Http,
  instance: string,
  { filename, subfolder, type }: FilePlace,
  signal: AbortSignal,
): Promise<ViewedFile> {
  const query = new URLSearchParams({ filename, subfolder, type });
  const { status, header, body } = await http.stream({ method: 'GET', path: `/view?${query}`, isTraced: true, signal });
  if (status === 200) {
    const length = Number(header('content-length') ?? Number.NaN);
    return { stream: body, contentType: header('content-type'), bytes: Number.isNaN(length) ? undefined : length };
  }
  body.destroy();
  if (status === 404) throw new OutputMissing(`The ComfyUI instance ${instance} no longer has the file ${filename}.`);
  throw unexpectedStatus(instance, 'GET /view', status);
}
