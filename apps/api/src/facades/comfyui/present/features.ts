import type { Config } from '@comfy-fleet/config';

/** What this ComfyUI says that it can do, at GET /features and on the socket. */
export function features({ assets }: Pick<Config, 'assets'>): Readonly<Record<string, unknown>> {
  return { supports_preview_metadata: true, max_upload_size: assets.maxBytes };
}
