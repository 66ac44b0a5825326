import type { AssetView } from '@comfy-fleet/contracts';
import type { Asset } from '@comfy-fleet/jobs';
import type { Deps } from '../deps.js';

/** An asset as callers see it. */
export function presentAsset({ config }: Pick<Deps, 'config'>, asset: Asset): AssetView {
  const { id, kind, contentType, bytes, digest, filename, width, height, createdAt, usedAt, expiresAt } = asset;
  return {
    id,
    kind,
    content_type: contentType,
    bytes,
    hash: `blake3:${digest}`,
    filename,
    ...(width === undefined || height === undefined ? {} : { width, height }),
    url: `${config.http.publicUrl ?? ''}/assets/${id}/content`,
    created_at: new Date(createdAt).toISOString(),
    used_at: new Date(usedAt).toISOString(),
    expires_at: new Date(expiresAt).toISOString(),
  };
}
