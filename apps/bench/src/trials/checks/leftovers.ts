import { type Breach, type Check, count } from './check.js';

/** No file of a job without a job that names it, no temporary file, no prompt left in a ComfyUI, no callback in the outbox. */
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

/** Without its signature. */
function fileOf(url: string): string {
  const [path = ''] = url.split('?');
  return path.slice(path.lastIndexOf('/') + 1);
}
