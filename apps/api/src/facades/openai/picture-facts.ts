import type { JobRecord } from '@comfy-fleet/jobs';
import { type ImagesRequest, qualityOf } from './images-request.js';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** What OpenAI says of pictures besides their bytes. `size`: of those that are made. */
export function pictureFacts(record: JobRecord, size: Size | undefined, format: string, wish: ImagesRequest) {
  const { width, height } = size ?? record.request.inputs;
  const isKnown = typeof width === 'number' && typeof height === 'number';
  return {
    background: wish.background ?? 'auto',
    output_format: format,
    quality: qualityOf(record.lod),
    size: isKnown ? `${width}x${height}` : 'auto',
  };
}
