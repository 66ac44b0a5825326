import type { InputFile } from '@comfy-fleet/contracts';
import { copyName, type FrameStore, inputDigest } from '@comfy-fleet/frames';
import type { Ledger } from '@comfy-fleet/jobs';
import { LRUCache } from 'lru-cache';
import type { Rewrite, Rewriting } from '../decoding/rewriter.js';
import type { Turns } from '../server/turns.js';
import { requireStorageShare } from './storage.js';

/** How many copies are remembered, with a few hundred bytes each. */
const MOST_KEPT = 10_000;

/**
 * Copies a video or a sound of the input store as `rewriteMedia` does, and returns the copy, which counts as a file of the
 * key. Throws Undecodable, storage_failed, storage_full, storage_share_exceeded, and the signal's reason.
 */
export type RewriteFile = (key: string, rewriting: Rewriting, signal: AbortSignal) => Promise<InputFile>;

interface RewriteOptions {
  readonly rewrite: Rewrite;
  readonly decoding: Turns;
  readonly inputs: Pick<FrameStore, 'put' | 'touch'>;
  readonly ledger: Pick<Ledger, 'accounts' | 'storage'>;
}

export function createFileRewrites({ rewrite, decoding, inputs, ledger }: RewriteOptions): RewriteFile {
  /** How many bytes the copies have, by name. */
  const known = new LRUCache<string, number>({ max: MOST_KEPT });
  const kept = async (name: string): Promise<number | undefined> => {
    const bytes = known.get(name);
    // `touch` also keeps the housekeeping from deleting the copy before the job is created.
    return bytes !== undefined && (await inputs.touch(name)) ? bytes : undefined;
  };
  const write = async (name: string, rewriting: Rewriting, signal: AbortSignal): Promise<number> => {
    const { bytes } = await inputs.put(name, rewrite(rewriting), { signal });
    known.set(name, bytes);
    return bytes;
  };
  return async (key, rewriting, signal) => {
    await requireStorageShare({ ledger }, { id: key });
    const { file, container } = rewriting;
    const name = copyName(file.name, container);
    const inTurn = async () => (await kept(name)) ?? (await write(name, rewriting, signal));
    const bytes = (await kept(name)) ?? (await decoding(key, inTurn, { signal }));
    await ledger.storage.add(key, { digest: inputDigest(name), bytes });
    return { ...file, name, bytes, copyOf: file.name };
  };
}
