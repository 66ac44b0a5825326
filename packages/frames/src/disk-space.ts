import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isAbsent } from './storage-errors.js';

/** Free bytes, for who is not root, of the volume that holds the folder or will hold it when it is made. */
export async function freeBytesAt(dir: string): Promise<number> {
  for (let place = dir; ; place = dirname(place)) {
    try {
      const { bavail, bsize } = await statfs(place);
      return bavail * bsize;
    } catch (error) {
      if (!isAbsent(error) || dirname(place) === place) throw error;
    }
  }
}
