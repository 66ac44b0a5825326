import type { JobOutput } from './api-types.js';
import type { Abortable, Transport } from './transport.js';

/** A file that a job made. */
export interface Output extends JobOutput {
  /** `url` as a whole address. */
  readonly href: string;
  /** Its content. Pictures also in another form: `width` in pixels, `format` as the API offers them. */
  download(options?: DownloadOptions): Promise<Blob>;
  /** As `download`, for what is too large to be held in memory. */
  stream(options?: DownloadOptions): Promise<ReadableStream<Uint8Array>>;
}

export interface DownloadOptions extends Abortable {
  readonly width?: number;
  readonly format?: 'png' | 'jpeg' | 'webp';
}

export function outputOf(transport: Transport, output: JobOutput): Output {
  const get = ({ width, format, signal }: DownloadOptions = {}) => {
    const isSmaller = width !== undefined || format !== undefined;
    const path = isSmaller ? output.url.replace('/files/', '/images/') : output.url;
    return transport.send(path, { query: { width, format }, ...(signal === undefined ? {} : { signal }) });
  };
  return {
    ...output,
    href: transport.urlOf(output.url).href,
    download: async (options) => (await get(options)).blob(),
    stream: async (options) => {
      const { body } = await get(options);
      return body ?? new Blob([]).stream();
    },
  };
}
