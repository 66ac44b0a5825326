import type { ResolvedRequest } from '@comfy-fleet/contracts';

/** What decides how long an execution takes: jobs with the same signature take alike. It begins with the lod and a `|`. */
export function signatureOf(request: ResolvedRequest): string {
  const { lod, width, height, count, steps, workflow, checkpoint } = request;
  return [lod, `${width}x${height}x${count}`, steps, workflow, checkpoint].join('|');
}
