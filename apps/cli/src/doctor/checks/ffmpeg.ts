import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Config } from '@comfy-fleet/config';
import { type Finding, reportOf } from '../finding.js';

/** Whether the program is there that makes pictures of videos: an API without it works, so that it is no fault. */
export async function checkFfmpeg({ images: { ffmpeg } }: Config, signal: AbortSignal): Promise<Finding[]> {
  const { ok } = reportOf('ffmpeg');
  try {
    const { stdout } = await promisify(execFile)(ffmpeg, ['-version'], { signal, maxBuffer: 64 * 1024 });
    return [ok(`${stdout.split('\n', 1)[0]?.slice(0, 80)}: ?poster gives pictures of videos`)];
  } catch {
    signal.throwIfAborted();
    return [ok(`${ffmpeg} cannot be run here: there is no ?poster of videos unless it is on the PATH of the API`)];
  }
}
