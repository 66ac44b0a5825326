import type { Asset, JobImage, JobOutput } from './api-types.js';
import type { Abortable, Transport } from './transport.js';

/** The content of a file. */
export type FileContent = Blob | ArrayBuffer | Uint8Array<ArrayBuffer>;

export interface Assets {
  /** Uploads a file as an input for jobs. A file that the key already has stays the same asset. */
  upload(content: FileContent, options?: UploadOptions): Promise<Asset>;
  get(id: string, options?: Abortable): Promise<Asset>;
  download(id: string, options?: Abortable): Promise<Blob>;
  delete(id: string, options?: Abortable): Promise<void>;
}

export interface UploadOptions extends Abortable {
  /** Determines the kind of a file whose bytes do not show it. */
  readonly filename?: string;
}

export function createAssets(transport: Transport): Assets {
  const pathOf = (id: string) => `/assets/${encodeURIComponent(id)}`;
  return {
    upload: (content, { filename, ...options } = {}) => {
      const body = new FormData();
      const blob = blobOf(content);
      body.set('file', blob, filename ?? nameOf(blob));
      return transport.json<Asset>('/assets', { ...options, method: 'POST', body });
    },
    get: (id, options) => transport.json<Asset>(pathOf(id), options),
    download: async (id, options) => (await transport.send(`${pathOf(id)}/content`, options)).blob(),
    delete: async (id, options) => {
      await transport.send(pathOf(id), { ...options, method: 'DELETE' });
    },
  };
}

export function blobOf(content: FileContent): Blob {
  return content instanceof Blob ? content : new Blob([content]);
}

/** The name of a browser's File; other blobs have none. */
export function nameOf(blob: Blob): string {
  return 'name' in blob && typeof blob.name === 'string' ? blob.name : 'file';
}

/** A file that a job made. */
export interface Output extends JobOutput {
  /** `url` as an absolute address. */
  readonly href: string;
  /** An address for an `img`, `video` or `a` in a page. With API keys it is a signed link that is valid for some hours. */
  link(options?: LinkOptions): string;
  /** The content. Pictures can be requested in a `width` in pixels and a `format` that the API offers. */
  download(options?: DownloadOptions): Promise<Blob>;
  /** Like `download`, for files that are too large for memory. */
  stream(options?: DownloadOptions): Promise<ReadableStream<Uint8Array>>;
}

export interface LinkOptions {
  readonly width?: number | undefined;
  readonly format?: 'png' | 'jpeg' | 'webp' | undefined;
}

export interface DownloadOptions extends Abortable, LinkOptions {}

/** `images` are those of the output's job; their links are also signed for other widths and formats. */
export function outputOf(transport: Transport, output: JobOutput, images: readonly JobImage[]): Output {
  const nameOf = (url: string) => transport.urlOf(url).pathname.split('/').at(-1);
  const picture = images.find(({ image_url }) => nameOf(image_url) === nameOf(output.url));
  const pathOf = ({ width, format }: LinkOptions) =>
    width === undefined && format === undefined ? output.url : (picture?.image_url ?? output.url);
  const get = ({ signal, width, format }: DownloadOptions = {}) =>
    transport.send(pathOf({ width, format }), {
      query: { width, format },
      ...(signal === undefined ? {} : { signal }),
    });
  return {
    ...output,
    href: transport.urlOf(output.url).href,
    link: (options = {}) => transport.urlOf(pathOf(options), { width: options.width, format: options.format }).href,
    download: async (options) => (await get(options)).blob(),
    stream: async (options) => {
      const { body } = await get(options);
      return body ?? new Blob([]).stream();
    },
  };
}
