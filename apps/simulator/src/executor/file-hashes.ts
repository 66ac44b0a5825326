import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileOf } from '../input-files.js';
import type { Folders } from '../nodes/node.js';
import type { Graph } from '../prompt-queue.js';

/**
 * What LoadImage and its like look at: the SHA-256 of their file by node id. A file that cannot be read is never the
 * same.
 */
export async function fileHashes(graph: Graph, folders: Folders): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  for (const [id, node] of Object.entries(graph)) {
    const file = fileOf(node.class_type, node.inputs ?? {}, folders);
    if (file === undefined) continue;
    const bytes = file === null ? undefined : await readFile(file).catch(() => undefined);
    hashes.set(
      id,
      bytes === undefined ? `missing at ${performance.now()}` : createHash('sha256').update(bytes).digest('hex'),
    );
  }
  return hashes;
}
