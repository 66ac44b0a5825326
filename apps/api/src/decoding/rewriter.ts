import type { InputFile } from '@comfy-fleet/contracts';
import type { Container } from '@comfy-fleet/frames';
import { type ChildOptions, startChild, Undecodable } from './children.js';

/** What a decoder is to copy. */
export interface Rewriting {
  readonly file: InputFile;
  readonly container: Container;
}

/** Rewrites a video or a sound in the input store; see `rewriteMedia`. Yields the new file. Throws Undecodable. */
export type Rewrite = (rewriting: Rewriting) => AsyncIterable<Uint8Array>;

/** Rewrites each file in a process of its own, which writes it to its standard output and ends. */
export function createRewriter(options: ChildOptions): Rewrite {
  return async function* (rewriting) {
    const child = startChild(options, 'pipe');
    const late = setTimeout(() => child.kill('SIGKILL'), options.seconds * 1000);
    child.on('error', () => child.kill('SIGKILL')); // it could not start
    const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
    try {
      child.send(rewriting);
      yield* child.stdout ?? [];
      if ((await closed) !== 0) throw new Undecodable('cannot be copied');
    } finally {
      clearTimeout(late);
      child.kill('SIGKILL');
    }
  };
}
