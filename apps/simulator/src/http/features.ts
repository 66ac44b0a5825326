import type { Writable } from '../json/write.js';
import type { ComfyVersion } from '../settings.js';

export const MAX_BODY_BYTES = 100 * 1024 * 1024;

/** What the server says it can do: GET /features and the answer to a client's feature_flags. */
export function features(version: ComfyVersion): Writable {
  if (version === '0.3.64') return { supports_preview_metadata: true, max_upload_size: MAX_BODY_BYTES };
  return {
    supports_preview_metadata: true,
    supports_model_type_tags: true,
    max_upload_size: MAX_BODY_BYTES,
    extension: { manager: { supports_v4: true } },
    node_replacements: true,
    assets: false,
  };
}
