import type { Job } from '@comfy-fleet/contracts';
import { count, tally } from '../../lib/report.js';
import { orderOf } from '../evidence/calls-by-job.js';
import type { Breach, Check, Download, Evidence } from '../evidence/evidence.js';

/** How a job describes one of its files, as an output or as an image. */
interface Described {
  readonly url: string;
  readonly isPicture: boolean;
  readonly bytes: number;
  readonly sha256: string;
  readonly content_type: string;
  readonly width?: number;
  readonly height?: number;
}

/**
 * A succeeded job has exactly the outputs that were ordered. Each file is complete and has the type and digest of its
 * record, and pictures have the right size. The pictures are also listed as images.
 */
export const outputs: Check = (evidence) => {
  const breaches: Breach[] = [];
  const kinds: string[] = [];
  for (const job of evidence.jobs.values()) {
    if (job === undefined) continue;
    const jobId = job.id;
    const made = job.outputs.map(({ kind }) => kind).sort();
    kinds.push(...made);
    for (const what of [...countFaults(job, made, evidence), ...imageFaults(job)]) breaches.push({ what, jobId });
    for (const described of filesOf(job)) {
      const download = evidence.downloads.find(({ url }) => url === described.url);
      const wrong = download === undefined ? 'was not downloaded' : faultOf(described, job, download);
      if (wrong !== undefined) breaches.push({ what: `${described.url} ${wrong}`, jobId });
    }
  }
  return {
    rows: [
      ['files downloaded', evidence.downloads.length],
      ['outputs by kind', tally(kinds)],
      ['succeeded jobs with more than one output', count(evidence.jobs.values(), (job) => outputsOf(job) > 1)],
    ],
    breaches,
  };
};

function outputsOf(job: Job | undefined): number {
  return job?.outputs.length ?? 0;
}

function countFaults(job: Job, made: readonly string[], evidence: Evidence): string[] {
  const wanted = job.status === 'succeeded' ? (orderOf(job, evidence)?.outputs ?? []) : [];
  const faults = [`job ${job.id} (${job.status}) has the outputs ${tally(made)}, not ${tally(wanted)}`];
  return made.join() === [...wanted].sort().join() ? [] : faults;
}

function imageFaults({ id, outputs, images }: Job): string[] {
  const pictures = outputs.filter(({ kind }) => kind === 'image').map(({ sha256 }) => sha256);
  const isSame = pictures.join() === images.map(({ sha256 }) => sha256).join();
  return isSame ? [] : [`job ${id} has ${images.length} images, which differ from the pictures among its outputs`];
}

function filesOf({ outputs, images }: Job): Described[] {
  return [
    ...outputs.map((output) => ({ ...output, isPicture: output.kind === 'image' })),
    ...images.map(({ image_url, ...image }) => ({ ...image, url: image_url, isPicture: true })),
  ];
}

function faultOf(described: Described, { request }: Job, download: Download): string | undefined {
  const { status, sha256, etag, bytes, contentType, size } = download;
  if (status !== 200) return `answered ${status ?? 'nothing'}`;
  if (sha256 !== described.sha256) return `has the digest ${sha256}, the job says ${described.sha256}`;
  if (etag !== `"${described.sha256}"`) return `has the ETag ${etag}, the job says ${described.sha256}`;
  if (bytes !== described.bytes) return `has ${bytes} bytes, the job says ${described.bytes}`;
  if (contentType !== described.content_type) return `is ${contentType}, the job says ${described.content_type}`;
  if (!described.isPicture) return undefined;
  if (size === undefined) return 'cannot be read as a PNG';
  const sizes = [size, described, request.inputs ?? request].map(({ width, height }) => `${width}×${height}`);
  return new Set(sizes).size === 1 ? undefined : `is ${sizes[0]}; the job says ${sizes[1]}, its request ${sizes[2]}`;
}

/** Nothing is left over: files that no job names, temporary files, prompts in a ComfyUI, callbacks in the outbox. */
export const leftovers: Check = ({ jobs, frameFiles, leftInQueues, leftInOutbox }) => {
  const breaches: Breach[] = [];
  const named = new Set<string>();
  const inputs = new Set<string>();
  for (const job of jobs.values()) {
    for (const { url } of job?.outputs ?? []) named.add(fileOf(url));
    if (job?.request.image !== undefined) inputs.add(`inputs/${job.request.image.sha256}.png`);
  }
  for (const file of frameFiles) {
    if (file.endsWith('.tmp')) breaches.push({ what: `the temporary file ${file} was left` });
    else if (!named.has(file) && !file.startsWith('inputs/')) {
      breaches.push({ what: `no job names the file ${file}`, jobId: file.slice(0, 36) });
    }
  }
  for (const [simulator, prompts] of leftInQueues) {
    if (prompts > 0) breaches.push({ what: `${simulator} still has ${prompts} prompts` });
  }
  if (leftInOutbox > 0) breaches.push({ what: `${leftInOutbox} callbacks were left in the outbox` });
  const isUnused = (file: string) => file.startsWith('inputs/') && file.endsWith('.png') && !inputs.has(file);
  return {
    rows: [
      ['files in the frames volume', frameFiles.length],
      ['input pictures that no job uses', count(frameFiles, isUnused)],
    ],
    breaches,
  };
};

/** The name of the file in a URL, without the signature. */
function fileOf(url: string): string {
  const [path = ''] = url.split('?');
  return path.slice(path.lastIndexOf('/') + 1);
}
