import type { JobImage, JobOutput } from './api-types.js';
import type { Abortable, Transport } from './transport.js';

/** A file that a job made. */
export interface Output extends JobOutput {
  /** `url` as a whole address. */
  readonly href: string;
  /** Where a page finds it, for an `img`, `video` or `a`: with keys a signed link, which serves for some hours. */
  link(options?: LinkOptions): string;
  /** Its content. Pictures also in another form: `width` in pixels, `format` as the API offers them. */
  download(options?: DownloadOptions): Promise<Blob>;
  /** As `download`, for what is too large to be held in memory. */
  stream(options?: DownloadOptions): Promise<ReadableStream<Uint8Array>>;
}

export interface LinkOptions {
  readonly width?: number | undefined;
  readonly format?: 'png' | 'jpeg' | 'webp' | undefined;
}

export interface DownloadOptions extends Abortable, LinkOptions {}

/** `images`: of its job, whose links of pictures are signed for other forms of them. */
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
