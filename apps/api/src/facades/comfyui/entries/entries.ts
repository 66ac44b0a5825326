import type { JobRecord } from '@comfy-fleet/jobs';
import { LRUCache } from 'lru-cache';
import type { Deps } from '../../../deps.js';
import { historyEntry } from '../present/history-entry.js';
import { promptIdOf } from '../present/prompt-id.js';
import { type PromptParts, promptTuple, readPromptParts } from './prompt-parts.js';

/** Jobs as the queue and the history show them, in JSON. What cannot change any more is kept in memory. */
export interface Entries {
  parts(record: JobRecord): Promise<PromptParts>;
  /** Of the queue. */
  queued(record: JobRecord): Promise<string>;
  /** Of the history; the job has ended. */
  ended(record: JobRecord): Promise<string>;
  /** The same by the id of a job that has ended; undefined where its record is gone. */
  endedById(id: string): Promise<KeptEntry | undefined>;
}

export interface KeptEntry {
  readonly promptId: string;
  readonly text: string;
}

/** Of an entry that is small. */
const LEAST_SIZE = 500;

export function createEntries(deps: Deps): Entries {
  const maxSize = deps.config.compat.comfyuiCacheBytes;
  // A character of a string may be two bytes.
  const kept = new LRUCache<string, KeptEntry>({
    maxSize,
    sizeCalculation: ({ text }) => LEAST_SIZE + 2 * text.length,
  });
  const prompts = new LRUCache<string, PromptParts>({
    maxSize,
    sizeCalculation: ({ graph, extraData }) => LEAST_SIZE + 2 * (graph.length + extraData.length),
  });
  const parts: Entries['parts'] = async (record) => {
    const known = prompts.get(record.id) ?? (await readPromptParts(deps, record));
    prompts.set(record.id, known);
    return known;
  };
  const keep = async (record: JobRecord): Promise<KeptEntry> => {
    const known = kept.get(record.id);
    if (known !== undefined) return known;
    const promptId = promptIdOf(record);
    const entry = { promptId, text: historyEntry(record, await parts(record)) };
    prompts.delete(record.id); // who asks for it next asks for the whole
    kept.set(record.id, entry);
    return entry;
  };
  return {
    parts,
    queued: async (record) => promptTuple(promptIdOf(record), await parts(record)),
    ended: async (record) => (await keep(record)).text,
    endedById: async (id) => {
      const known = kept.get(id);
      if (known !== undefined) return known;
      const [record] = await deps.ledger.jobs.records([id]);
      return record === undefined ? undefined : keep(record);
    },
  };
}
