import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { inputFile } from '../folders.js';
import type { Folders } from '../nodes/node.js';
import type { Graph } from '../prompt-queue.js';

/** What LoadImage nodes look at: the SHA-256 of their file by node id. A file that cannot be read is never the same. */
export async function fileHashes(graph: Graph, folders: Folders): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  for (const [id, node] of Object.entries(graph)) {
    const name = node.class_type === 'LoadImage' ? node.inputs?.image : undefined;
    if (typeof name !== 'string') continue;
    const file = inputFile(folders, name);
    const bytes = file === undefined ? undefined : await readFile(file).catch(() => undefined);
    hashes.set(
      id,
      bytes === undefined ? `missing at ${performance.now()}` : createHash('sha256').update(bytes).digest('hex'),
    );
  }
  return hashes;
}
