import type { FrameStore, StoredFrame } from '@comfy-fleet/frames';
import { type Keeper, PAYLOAD_PREFIX } from '@comfy-fleet/jobs';

interface UnusedPayloads {
  readonly keeper: Pick<Keeper, 'unusedPayloads'>;
  readonly inputs: Pick<FrameStore, 'list' | 'deleteUnchanged'>;
  /** Ends it between two pages. */
  readonly signal: AbortSignal;
}

/** Files looked up in one round trip. */
const PAGE = 200;
/** A younger file may belong to an order that is just being made. */
const YOUNG_MS = 60_000;

/**
 * Deletes files of large graphs and origins to which no job and no workflow refers. A file that is written again between
 * the look and the deletion stays. Answers how many it deleted.
 */
export async function deleteUnusedPayloads({ keeper, inputs, signal }: UnusedPayloads): Promise<number> {
  const before = Date.now() - YOUNG_MS;
  let deleted = 0;
  const clean = async (files: readonly StoredFrame[]) => {
    const unused = new Set(await keeper.unusedPayloads(files.map(({ name }) => name)));
    for (const { name, modifiedAt } of files) {
      if (unused.has(name) && (await inputs.deleteUnchanged(name, modifiedAt))) deleted += 1;
    }
  };
  let page: StoredFrame[] = [];
  for await (const file of inputs.list(PAYLOAD_PREFIX)) {
    if (signal.aborted) return deleted;
    if (file.modifiedAt.getTime() < before) page.push(file);
    if (page.length < PAGE) continue;
    await clean(page);
    page = [];
  }
  await clean(page);
  return deleted;
}
