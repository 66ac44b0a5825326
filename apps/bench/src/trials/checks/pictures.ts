import type { Job } from '@comfy-fleet/contracts';
import type { Download } from '../evidence/evidence.js';
import { type Breach, type Check, count } from './check.js';

/** A succeeded job has exactly its pictures: as many as asked for, whole, of the size and digest that its record says. */
export const pictures: Check = ({ jobs, downloads }) => {
  const breaches: Breach[] = [];
  for (const job of jobs.values()) {
    if (job === undefined) continue;
    const wanted = job.status === 'succeeded' ? job.request.count : 0;
    if (job.images.length !== wanted) {
      breaches.push({
        what: `job ${job.id} (${job.status}) has ${job.images.length} pictures, not ${wanted}`,
        jobId: job.id,
      });
    }
    for (const image of job.images) {
      const download = downloads.find(({ url }) => url === image.image_url);
      const wrong = download === undefined ? 'was not downloaded' : faultOf(image, job, download);
      if (wrong !== undefined) breaches.push({ what: `${image.image_url} ${wrong}`, jobId: job.id });
    }
  }
  return {
    rows: [
      ['pictures downloaded', downloads.length],
      ['succeeded jobs with more than one picture', count(jobs.values(), (job) => (job?.images.length ?? 0) > 1)],
    ],
    breaches,
  };
};

function faultOf(image: Job['images'][number], { request }: Job, download: Download): string | undefined {
  const { status, sha256, etag, bytes, size } = download;
  if (status !== 200) return `answered ${status ?? 'nothing'}`;
  if (sha256 !== image.sha256) return `has the digest ${sha256}, the job says ${image.sha256}`;
  if (etag !== `"${image.sha256}"`) return `has the ETag ${etag}, the job says ${image.sha256}`;
  if (bytes !== image.bytes) return `has ${bytes} bytes, the job says ${image.bytes}`;
  if (size === undefined) return 'cannot be read as a PNG';
  const sizes = [size, image, request].map(({ width, height }) => `${width}×${height}`);
  return new Set(sizes).size === 1 ? undefined : `is ${sizes[0]}; the job says ${sizes[1]}, its request ${sizes[2]}`;
}
