import { ANONYMOUS, type OutputKind } from '@comfy-fleet/contracts';
import type { Asset, JobRecord, JobSnapshot, Progress } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import { knownCaller } from '../../server/caller.js';
import type { ApiRequest } from '../../server/messages.js';
import { type FoundOutput, outputId } from './output-ids.js';

export interface Links {
  /**
   * The path for a request with a key, with the path of PUBLIC_URL in front. It names no host, because the SDKs send the
   * key only to the host that they asked, and some callers reach the API by another one than PUBLIC_URL.
   */
  readonly api: (path: string) => string;
  /** The absolute URL of a file, signed if there are keys. `until`: when the file is deleted, in ms since 1970. */
  readonly file: (path: string, until: number) => { readonly url: string; readonly url_expires_at: string };
}

/** Without PUBLIC_URL, absolute URLs lead to the host that the caller asked. */
export async function linksFor(
  { config, ledger }: Deps,
  { caller, header }: Pick<ApiRequest, 'caller' | 'header'>,
): Promise<Links> {
  const { publicUrl } = config.http;
  const origin = publicUrl || `http://${header('host') ?? 'localhost'}`;
  const mount = publicUrl ? new URL(publicUrl).pathname.replace(/\/$/, '') : '';
  const { id } = knownCaller(caller);
  const sign = id === ANONYMOUS ? (path: string) => path : await ledger.urls.signing(id);
  return {
    api: (path) => mount + path,
    file: (path, until) => {
      const signed = sign(path);
      const expires = new URLSearchParams(signed.split('?')[1]).get('expires');
      return { url: origin + signed, url_expires_at: time(expires === null ? until : Number(expires) * 1000) };
    },
  };
}

/** A Job of the specification. */
export function presentJob({ config }: Deps, { record, ahead }: JobSnapshot, links: Links): object {
  const { id, status, createdAt, startedAt, finishedAt, outputs, error } = record;
  const self = links.api(`/api/v2/jobs/${id}`);
  return {
    id,
    status,
    created_at: time(createdAt),
    started_at: startedAt && time(startedAt),
    completed_at: finishedAt && time(finishedAt),
    expires_at: time(expiresAt(config, record)),
    queue_position: ahead,
    progress: presentProgress(record),
    outputs: outputs.map((output, index) => presentOutput(config, { record, index, output }, links)),
    error: error && {
      code: error.code,
      message: error.detail,
      node_id: error.nodeId,
      class_type: error.exception?.nodeClass ?? null,
      traceback: error.exception?.traceback.join('') ?? null,
    },
    metrics: {
      queue_ms: startedAt && startedAt - createdAt,
      execution_ms: startedAt && finishedAt && finishedAt - startedAt,
    },
    urls: { self, events: `${self}/events`, cancel: `${self}/cancel` },
  };
}

/** The Progress of a job; null while nothing has begun. */
export function presentProgress({ status, startedAt, progress: last, timings }: JobRecord): object | null {
  if (status !== 'succeeded') return startedAt === null ? null : progress(last);
  const total = timings?.nodes.length ?? 0;
  return progress({ fraction: 1, step: null, steps: null, node: null, nodes: { done: total, total } });
}

/** A Progress of the specification. */
export function progress({ fraction, step, steps, node, nodeId, nodeClass, nodes }: Progress): object {
  return {
    value: fraction,
    nodes_done: nodes?.done ?? 0,
    nodes_total: nodes?.total ?? 0,
    current_node: nodeId ?? null,
    current_node_class: nodeClass ?? null,
    step,
    steps,
    message: node === null || steps === null ? node : `${node} ${step}/${steps}`,
  };
}

/** The specification's names of kinds that it does not have. */
const OUTPUT_TYPES: Partial<Record<OutputKind, string>> = { animation: 'image', model: 'file' };

/** An Output of the specification. */
export function presentOutput(config: Deps['config'], found: FoundOutput, links: Links): object {
  const { nodeId, filename, kind } = found.output;
  return { node_id: nodeId, name: filename, type: OUTPUT_TYPES[kind] ?? kind, ...outputFile(config, found, links) };
}

/** An Asset of the specification for an output. */
export function presentOutputAsset(config: Deps['config'], found: FoundOutput, links: Links): object {
  const { record, output } = found;
  return {
    ...outputFile(config, found, links),
    file_path: output.filename,
    created_at: time(record.finishedAt ?? record.createdAt),
    expires_at: time(expiresAt(config, record)),
  };
}

function outputFile(config: Deps['config'], { record, index, output }: FoundOutput, links: Links) {
  return {
    id: outputId(record.id, index),
    hash: null,
    size_bytes: output.bytes,
    content_type: output.contentType,
    ...links.file(`/files/${output.file}`, expiresAt(config, record)),
    job_id: record.id,
  };
}

/** An Asset of the specification for a file that the caller sent. The specification has no `tags`. */
export function presentAsset(asset: Asset, links: Links): object {
  return {
    id: asset.id,
    hash: `blake3:${asset.digest}`,
    size_bytes: asset.bytes,
    content_type: asset.contentType,
    file_path: asset.path ?? asset.filename,
    created_at: time(asset.createdAt),
    ...links.file(`/api/v2/assets/${asset.id}/content`, asset.expiresAt),
    expires_at: time(asset.expiresAt),
    tags: asset.tags,
  };
}

/** When the job and its files are deleted, in ms since 1970: at the earliest, if the job has not ended. */
function expiresAt({ queue, retention }: Deps['config'], { startedAt, startDeadline, finishedAt }: JobRecord): number {
  const end = finishedAt ?? Math.max(startedAt ?? 0, startDeadline);
  return end + Math.min(queue.jobTtlSeconds, retention.framesMaxAgeSeconds) * 1000;
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}
