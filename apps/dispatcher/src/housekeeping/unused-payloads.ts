import type { FrameStore, StoredFrame } from '@comfy-fleet/frames';
import { type Keeper, PAYLOAD_PREFIX } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';

interface UnusedPayloads {
  readonly keeper: Pick<Keeper, 'unusedPayloads'>;
  readonly inputs: Pick<FrameStore, 'list' | 'deleteUnchanged'>;
  /** Ends it between two pages. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Files looked up in one round trip. */
const PAGE = 200;
/** A younger file may belong to an order that is just being made. */
const YOUNG_MS = 60_000;

/**
 * Deletes files of large graphs and origins to which no job and no workflow refers. A file that is written again between
 * the look and the deletion stays.
 */
export async function deleteUnusedPayloads({ keeper, inputs, signal, log }: UnusedPayloads): Promise<void> {
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
    if (signal.aborted) return;
    if (file.modifiedAt.getTime() < before) page.push(file);
    if (page.length < PAGE) continue;
    await clean(page);
    page = [];
  }
  await clean(page);
  if (deleted > 0) log.debug('deleted graphs and extra data that no job refers to', { count: deleted });
}
