import type { FramesSettings } from '@comfy-fleet/config';

export type S3Settings = Extract<FramesSettings, { readonly store: 's3' }>;
