import type { Asset, JobSnapshot } from '@comfy-fleet/jobs';
import type { Deps } from '../../deps.js';
import type { Links } from './links.js';
import { outputId } from './output-ids.js';
import { expiresAt, time } from './present-job.js';

/** An Asset of the specification, of a file that the caller sent. `tags` is more than it has. */
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

/** The same of what a job made. */
export function presentOutputAsset(
  { config }: Pick<Deps, 'config'>,
  { snapshot: { record }, index }: { readonly snapshot: JobSnapshot; readonly index: number },
  links: Links,
): object | undefined {
  const output = record.outputs[index];
  if (output === undefined) return undefined;
  const until = expiresAt(config, record);
  return {
    id: outputId(record.id, index),
    hash: null,
    size_bytes: output.bytes,
    content_type: output.contentType,
    file_path: output.filename,
    created_at: time(record.finishedAt ?? record.createdAt),
    ...links.file(`/files/${output.file}`, until),
    expires_at: time(until),
    job_id: record.id,
  };
}
