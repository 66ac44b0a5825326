import { ANONYMOUS, isId, isoTime, type OutputKind } from '@comfy-fleet/contracts';
import type { Asset, JobRecord, JobSnapshot, Progress } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import type { ApiRequest } from '../../server/messages.js';

export type Links = Awaited<ReturnType<typeof linksFor>>;

/** Without PUBLIC_URL, absolute URLs have the host of the request. */
export async function linksFor({ config, ledger }: Deps, { caller, header }: ApiRequest) {
  const { publicUrl } = config.http;
  const origin = publicUrl || `http://${header('host') ?? 'localhost'}`;
  const mount = publicUrl ? new URL(publicUrl).pathname.replace(/\/$/, '') : '';
  const { id } = caller;
  const sign = id === ANONYMOUS ? (path: string) => path : await ledger.urls.signing(id);
  return {
    /** A path without a host, because SDKs send the key only to the host they know. It begins with the path of PUBLIC_URL. */
    api: (path: string) => mount + path,
    /** The absolute URL of a file, signed if keys are in use. `until`: when the file is deleted, in ms since 1970. */
    file: (path: string, until: number) => {
      const signed = sign(path);
      const expires = new URLSearchParams(signed.split('?')[1]).get('expires');
      return { url: origin + signed, url_expires_at: isoTime(expires === null ? until : Number(expires) * 1000) };
    },
  };
}

/** The specification's Job. */
export function presentJob({ config }: Deps, { record, ahead }: JobSnapshot, links: Links): object {
  const { id, status, createdAt, startedAt, finishedAt, outputs, error } = record;
  const self = links.api(`/api/v2/jobs/${id}`);
  return {
    id,
    status,
    created_at: isoTime(createdAt),
    started_at: startedAt && isoTime(startedAt),
    completed_at: finishedAt && isoTime(finishedAt),
    expires_at: isoTime(expiresAt(config, record)),
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

/** The Progress of a job; null until the job begins. */
export function presentProgress({ status, startedAt, progress: last, timings }: JobRecord): object | null {
  if (status !== 'succeeded') return startedAt === null ? null : progress(last);
  const total = timings?.nodes.length ?? 0;
  return progress({ fraction: 1, step: null, steps: null, node: null, nodes: { done: total, total } });
}

/** The specification's Progress. */
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

/** The specification's types for our kinds that it lacks. */
const OUTPUT_TYPES: Partial<Record<OutputKind, string>> = { animation: 'image', model: 'file' };

/** The specification's Output. */
export function presentOutput(config: Deps['config'], found: FoundOutput, links: Links): object {
  const { nodeId, filename, kind } = found.output;
  return { node_id: nodeId, name: filename, type: OUTPUT_TYPES[kind] ?? kind, ...outputFile(config, found, links) };
}

/** The specification's Asset, for an output. */
export function presentOutputAsset(config: Deps['config'], found: FoundOutput, links: Links): object {
  const { record, output } = found;
  return {
    ...outputFile(config, found, links),
    file_path: output.filename,
    created_at: isoTime(record.finishedAt ?? record.createdAt),
    expires_at: isoTime(expiresAt(config, record)),
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

/** The specification's Asset, for a file that the caller sent. */
export function presentAsset(asset: Asset, links: Links): object {
  return {
    id: asset.id,
    hash: `blake3:${asset.digest}`,
    size_bytes: asset.bytes,
    content_type: asset.contentType,
    file_path: asset.path ?? asset.filename,
    created_at: isoTime(asset.createdAt),
    ...links.file(`/api/v2/assets/${asset.id}/content`, asset.expiresAt),
    expires_at: isoTime(asset.expiresAt),
  };
}

/** When the job and its files are deleted, in ms since 1970. For a job that has not ended, the earliest time. */
function expiresAt({ queue, retention }: Deps['config'], { startedAt, startDeadline, finishedAt }: JobRecord): number {
  const end = finishedAt ?? Math.max(startedAt ?? 0, startDeadline);
  return end + Math.min(queue.jobTtlSeconds, retention.framesMaxAgeSeconds) * 1000;
}

/*
 * Outputs are assets with their own UUIDs, which are computed, not stored. The id of an output is the UUIDv7 of its job
 * with version 8 (RFC 9562: custom format) and the index of the output in the last 16 bits. The remaining 58 random bits
 * still distinguish the jobs of a key.
 */

const VERSION_AT = 14;
const INDEX_AT = 32;
/** Sorts after every hexadecimal digit. */
const BEYOND = 'g';

/** The id of the output at that index of a job. */
function outputId(jobId: string, index: number): string {
  const digits = index.toString(16).padStart(36 - INDEX_AT, '0');
  return `${jobId.slice(0, VERSION_AT)}8${jobId.slice(VERSION_AT + 1, INDEX_AT)}${digits}`;
}

export type FoundOutput = NonNullable<Awaited<ReturnType<typeof findOutput>>>;

/** Finds the output with that id among the jobs of the key. */
export async function findOutput({ ledger }: Deps, key: string, id: string) {
  if (!isId(id) || id[VERSION_AT] !== '8') return undefined;
  const prefix = `${id.slice(0, VERSION_AT)}7${id.slice(VERSION_AT + 1, INDEX_AT)}`;
  const { jobs } = await ledger.jobs.list(key, { filter: {}, cursor: prefix + BEYOND, limit: 1 });
  const record = jobs[0]?.record;
  const index = Number.parseInt(id.slice(INDEX_AT), 16);
  if (record === undefined || !record.id.startsWith(prefix)) return undefined;
  const output = record.outputs[index];
  return output && { record, index, output };
}
