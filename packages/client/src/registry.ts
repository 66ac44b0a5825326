import type { Workflow, WorkflowChanges, WorkflowInspection, WorkflowList, WorkflowVersions } from './api-types.js';
import type { Abortable, Transport } from './transport.js';

/** A workflow to publish: JSON as text or parsed (see `PUT /workflows/{name}`), or a picture that ComfyUI saved. */
export type WorkflowUpload = string | Blob | Readonly<Record<string, unknown>>;

/** The workflows of a fleet. Publishing, trying and deleting them needs a key with the scope admin. */
export interface Registry {
  list(options?: Abortable): Promise<WorkflowList>;
  /** Shows the result of publishing. With `forTrial` the version is kept for an hour, and `fleet.run` can run it by its version. */
  inspect(
    name: string,
    upload: WorkflowUpload,
    options?: Abortable & { readonly forTrial?: boolean },
  ): Promise<WorkflowInspection>;
  publish(name: string, upload: WorkflowUpload, options?: Abortable): Promise<Workflow>;
  /** Deletes a published workflow. Jobs that were already accepted still run. */
  delete(name: string, options?: Abortable): Promise<void>;
  /** The kept versions, newest first. */
  versions(name: string, options?: Abortable): Promise<WorkflowVersions['data']>;
  /** A version as JSON that `publish` accepts. It is text, since seeds may exceed what JavaScript numbers hold. */
  source(name: string, options?: Abortable & { readonly version?: string | undefined }): Promise<string>;
  /** The changes from version `from` (default: the previous one) to version `to` (default: the newest). */
  changes(
    name: string,
    options?: Abortable & { readonly from?: string | undefined; readonly to?: string | undefined },
  ): Promise<WorkflowChanges>;
}

export function createRegistry(transport: Transport): Registry {
  const at = (name: string, below = '') => `/workflows/${encodeURIComponent(name)}${below}`;
  return {
    list: (options) => transport.json('/workflows', options),
    inspect: (name, upload, { forTrial = false, ...options } = {}) =>
      transport.json(at(name), {
        ...options,
        method: 'PUT',
        query: { dry_run: forTrial ? 'try' : 'check' },
        body: blobOfUpload(upload),
      }),
    publish: (name, upload, options) =>
      transport.json(at(name), { ...options, method: 'PUT', body: blobOfUpload(upload) }),
    delete: async (name, options) => {
      await transport.send(at(name), { ...options, method: 'DELETE' });
    },
    versions: async (name, options) => (await transport.json<WorkflowVersions>(at(name, '/versions'), options)).data,
    source: async (name, { version, ...options } = {}) =>
      (await transport.send(at(name, '/source'), { ...options, query: { version } })).text(),
    changes: (name, { from, to, ...options } = {}) =>
      transport.json(at(name, '/changes'), { ...options, query: { from, to } }),
  };
}

function blobOfUpload(upload: WorkflowUpload): Blob {
  if (upload instanceof Blob) return upload;
  const text = typeof upload === 'string' ? upload : JSON.stringify(upload);
  return new Blob([text], { type: 'application/json' });
}
