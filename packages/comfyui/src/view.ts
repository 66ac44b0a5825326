import type { Readable } from 'node:stream';
import { unexpectedStatus } from './answers.js';
import { OutputMissing } from './errors.js';
import type { Http } from './http.js';
import type { FilePlace } from './output-file.js';

/** A file on its way. */
export interface ViewedFile {
  readonly stream: Readable;
  readonly contentType: string | undefined;
  /** Length, if the server tells. */
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
