import type { Config } from '@comfy-fleet/config';
import type { OutputKind } from '@comfy-fleet/contracts';
import type { JobRecord, JobSnapshot } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import type { Links } from './links.js';
import { outputId } from './output-ids.js';
import { presentProgress } from './present-progress.js';

type Retention = Pick<Config, 'queue' | 'retention'>;

/** The specification has fewer words. */
const OUTPUT_TYPES: Readonly<Record<OutputKind, string>> = {
  image: 'image',
  animation: 'image',
  video: 'video',
  audio: 'audio',
  text: 'text',
  latent: 'latent',
  model: 'file',
  file: 'file',
};

/** A Job of the specification. */
export function presentJob({ config }: Pick<Deps, 'config'>, snapshot: JobSnapshot, links: Links): object {
  const { record, ahead } = snapshot;
  const { id, status, createdAt, startedAt, finishedAt, outputs } = record;
  const self = links.api(`/api/v2/jobs/${id}`);
  return {
    id,
    status,
    created_at: time(createdAt),
    started_at: timeOrNull(startedAt),
    completed_at: timeOrNull(finishedAt),
    expires_at: time(expiresAt(config, record)),
    queue_position: ahead,
    progress: presentProgress(record),
    outputs: outputs.map((_, index) => presentOutput(config, record, index, links)),
    error: presentError(record),
    metrics: {
      queue_ms: startedAt === null ? null : startedAt - createdAt,
      execution_ms: startedAt === null || finishedAt === null ? null : finishedAt - startedAt,
    },
    urls: { self, events: `${self}/events`, cancel: `${self}/cancel` },
  };
}

/** An Output of the specification: the one at that place of the job. */
export function presentOutput(config: Retention, record: JobRecord, index: number, links: Links): object {
  const output = record.outputs[index];
  if (output === undefined) throw new Error(`the job has no output ${index}`);
  return {
    node_id: output.nodeId,
    name: output.filename,
    type: OUTPUT_TYPES[output.kind],
    content_type: output.contentType,
    size_bytes: output.bytes,
    id: outputId(record.id, index),
    hash: null,
    ...links.file(`/files/${output.file}`, expiresAt(config, record)),
    job_id: record.id,
  };
}

/** When the job is forgotten with its files, in ms since 1970; of one that has not ended: if it ended at the latest moment to start. */
export function expiresAt(
  { queue, retention }: Retention,
  { startedAt, startDeadline, finishedAt }: JobRecord,
): number {
  const end = finishedAt ?? Math.max(startedAt ?? 0, startDeadline);
  return end + Math.min(queue.jobTtlSeconds, retention.framesMaxAgeSeconds) * 1000;
}

function presentError({ error }: JobRecord): object | null {
  if (error === null) return null;
  const { code, detail, nodeId, exception } = error;
  const raised = { class_type: exception?.nodeClass ?? null, traceback: exception?.traceback.join('') ?? null };
  return { code, message: detail, node_id: nodeId, ...raised };
}

export function time(ms: number): string {
  return new Date(ms).toISOString();
}

function timeOrNull(ms: number | null): string | null {
  return ms === null ? null : time(ms);
}
