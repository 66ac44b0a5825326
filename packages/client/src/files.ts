import type { Asset } from './api-types.js';
import type { Abortable, Transport } from './transport.js';

/** The content of a file. */
export type FileContent = Blob | ArrayBuffer | Uint8Array<ArrayBuffer>;

export interface Assets {
  /** Keeps a file for jobs to start from; one that the key has already stays the same asset. */
  upload(content: FileContent, options?: UploadOptions): Promise<Asset>;
  get(id: string, options?: Abortable): Promise<Asset>;
  download(id: string, options?: Abortable): Promise<Blob>;
  delete(id: string, options?: Abortable): Promise<void>;
}

export interface UploadOptions extends Abortable {
  /** Tells the kind of a file whose bytes do not. */
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

/** A File of a browser has a name. */
export function nameOf(blob: Blob): string {
  return 'name' in blob && typeof blob.name === 'string' ? blob.name : 'file';
}
