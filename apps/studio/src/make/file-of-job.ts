import type { Job, Output } from '@comfy-fleet/client';
import type { FileValue } from '../form/values.js';

/** An output of a job as what another one starts from. */
export function fileOfJob(job: Job, output: Output, index: number): FileValue {
  const name = new URL(output.link()).pathname.split('/').at(-1) ?? '';
  return { from: 'job', job: job.id, index, name, href: output.link({ width: 256, format: 'webp' }) };
}
