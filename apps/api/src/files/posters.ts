import { FleetError } from '@comfy-fleet/contracts';
import type { FrameStore } from '@comfy-fleet/frames';
import { createTurns } from '../server/turns.js';
import { firstFrame } from './first-frame.js';
import { shareWork } from './share-work.js';
import { withStorageDeadline } from './storage-deadline.js';

/** Each is a process with threads of its own. */
const MAKINGS_AT_A_TIME = 2;
/** What a container is called that ffmpeg is told to expect: left to guess, it would follow a playlist to other addresses. */
const DEMUXERS: Readonly<Record<string, string>> = {
  avi: 'avi',
  m4v: 'mov',
  mkv: 'matroska',
  mov: 'mov',
  mp4: 'mov',
  webm: 'matroska',
};

/** Pictures of videos. */
export interface Posters {
  /**
   * The name under which the picture of a video is in the store of derived pictures; it is made when it is not there, and it is the turn of that key.
   * Undefined when there is no such video, or no longer. Throws no_poster, storage_failed and the signal's reason.
   */
  get(
    filename: string,
    signal: AbortSignal,
    key: string,
  ): Promise<{ readonly name: string; readonly contentType: string } | undefined>;
}

export function createPosters({
  frames,
  derived,
  ffmpeg,
  maxPixels,
}: {
  readonly frames: FrameStore;
  readonly derived: FrameStore;
  readonly ffmpeg: string;
  readonly maxPixels: number;
}): Posters {
  const turns = createTurns(MAKINGS_AT_A_TIME);
  const makings = shareWork<string, boolean>();

  /** False when the video is gone. */
  async function make(filename: string, demuxer: string, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    const found = await frames.stat(filename);
    if (found === undefined) return false;
    const open = (range: { start: number; end: number }) => frames.open(filename, range);
    const picture = await firstFrame({ ffmpeg, demuxer, bytes: found.bytes, maxPixels, open, signal });
    const name = posterName(filename);
    await withStorageDeadline(signal, (inTime) => derived.put(name, [picture], { signal: inTime }));
    if ((await frames.stat(filename)) !== undefined) return true;
    // Deleted meanwhile, by somebody who may have looked here before this was put.
    await derived.delete(name);
    return false;
  }

  return {
    get: async (filename, signal, key) => {
      const demuxer = DEMUXERS[filename.slice(filename.lastIndexOf('.') + 1)];
      // Asked of the video first: what was made of one that is gone does not count any more.
      if ((await frames.stat(filename)) === undefined) return undefined;
      if (demuxer === undefined) throw new FleetError('no_poster', 'Only videos have a poster.');
      const name = posterName(filename);
      const answer = { name, contentType: 'image/jpeg' };
      if ((await derived.stat(name)) !== undefined) return answer;
      const made = await makings.join(name, signal, (all) => turns(key, () => make(filename, demuxer, all)));
      return made ? answer : undefined;
    },
  };
}

/** `<job id>_<n>_poster.jpeg` */
export function posterName(filename: string): string {
  return `${filename.slice(0, filename.lastIndexOf('.'))}_poster.jpeg`;
}
