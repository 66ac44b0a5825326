import type { Deps } from '../deps.js';
import { knownCaller } from '../server/caller.js';
import type { Receive } from '../server/form-readers.js';
import { keepFile } from './keep-file.js';

/** Keeps files that arrive with requests. Throws what keepFile throws, and storage_full. */
export function receiveFile(deps: Deps): Receive {
  return async (source, { caller, pointer, filename, announced, holds, signal }) => {
    await deps.requireSpace();
    return keepFile(deps, source, {
      caller: knownCaller(caller),
      filename,
      announced,
      pointer,
      isSent: true,
      holds,
      signal,
    });
  };
}
