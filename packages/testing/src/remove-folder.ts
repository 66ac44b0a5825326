import { rm } from 'node:fs/promises';

/** Deletes a folder in which a process that was killed may have left a child that still writes, as a Redis does. */
export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 50, retryDelay: 20 });
}
