import { watch } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setInterval } from 'node:timers/promises';
import type { Logger } from '@comfy-fleet/telemetry';

export interface FollowOptions {
  /** Called when a file has changed, came or went; not again before the last call has ended. */
  readonly changed: () => Promise<void>;
  /** What `changed` knew already; see stateOf. */
  readonly known: string;
  readonly everyMs: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/**
 * Follows the files of a folder until `signal` aborts. The system says when something happens, where it can (not on most
 * network drives, nor for what is mounted in another container), and every so often the files are looked at.
 */
export async function followFolder(dir: string, options: FollowOptions): Promise<void> {
  const { changed, everyMs, signal, log } = options;
  let { known } = options;
  let looking: Promise<void> | undefined;
  const look = async () => {
    try {
      const state = await stateOf(dir);
      if (state === known) return;
      await changed();
      known = state;
    } catch (error) {
      log.debug('the folder of workflows could not be looked at', { error });
    }
  };
  const lookOnce = () => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  };
  const notice = () => void lookOnce();
  try {
    watch(dir, { signal, persistent: false }, notice).on('error', (error) =>
      log.debug('the system does not tell of changes of the workflows', { error }),
    );
  } catch (error) {
    log.debug('the system cannot tell of changes of the workflows', { error });
  }
  try {
    for await (const _ of setInterval(everyMs, undefined, { signal, ref: false })) await lookOnce();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** What can be seen of a folder's files without reading them. */
export async function stateOf(dir: string): Promise<string> {
  const files = (await readdir(dir)).filter((file) => file.endsWith('.json')).sort();
  const seen = await Promise.all(
    files.map(async (file) => {
      const { mtimeMs, size, ino } = await stat(join(dir, file));
      return [file, mtimeMs, size, ino].join(' ');
    }),
  );
  return seen.join('\n');
}
