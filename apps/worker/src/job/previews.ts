import type { ExpandedFrom } from '@comfy-fleet/contracts';
import type { Preview } from '@comfy-fleet/jobs';
import type { Submission } from '../submission/submission.js';
import type { HeldJob } from './held-job.js';

/** The largest preview that is written to Redis. */
const MAX_BYTES = 48 * 1024;
const INTERVAL_MS = 1000;
/** Longest side and quality of a preview that was too large: about 20 kB. */
const SMALLER = { side: 384, quality: 60 };

interface Picture {
  readonly contentType: string;
  readonly image: Buffer;
  /** Id of the running node. */
  readonly node: string | undefined;
  readonly expandedFrom?: ExpandedFrom;
}

/** Publishes a preview if anybody listens, at most one a second; others are dropped. */
export function offerPreview(job: HeldJob, submission: Submission, picture: Picture): void {
  const now = performance.now();
  if (now < submission.previewedAt + INTERVAL_MS) return;
  submission.previewedAt = now;
  send(job, picture, submission.stepsOf(picture.node)).catch((error: unknown) =>
    job.log.debug('could not publish a preview', { error }),
  );
}

async function send({ claim }: HeldJob, picture: Picture, steps: ReturnType<Submission['stepsOf']>): Promise<void> {
  if (await claim.isListenedTo()) await claim.preview({ ...(await toPreview(picture)), ...steps });
}

async function toPreview({ contentType, image, node: nodeId, expandedFrom }: Picture): Promise<Preview> {
  const of = { nodeId, expandedFrom };
  const isFit = image.length <= MAX_BYTES && contentType === 'image/jpeg';
  if (isFit) return { contentType, data: image.toString('base64'), ...of };
  // Imported only when needed: it takes 40 MB, and ComfyUI's own previews of 512 pixels are small enough.
  const { default: sharp } = await import('sharp');
  const smaller = sharp(image).resize(SMALLER.side, SMALLER.side, { fit: 'inside', withoutEnlargement: true });
  const jpeg = await smaller.jpeg({ quality: SMALLER.quality }).toBuffer();
  return { contentType: 'image/jpeg', data: jpeg.toString('base64'), ...of };
}
