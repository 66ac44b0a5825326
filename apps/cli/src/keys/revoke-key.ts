import { Obstacle, type Surroundings } from '../command.js';
import { cancelJobs } from './cancel-jobs.js';
import { changeKeys, readKeys } from './keys-file.js';
import { noFile } from './no-file.js';

export interface RevokeOptions {
  /** Also of a key that is not in the file any more: the first attempt may have failed halfway. */
  readonly cancelJobs?: boolean;
}

/** Takes a key out of the file. */
export async function revokeKey(
  id: string,
  path: string,
  options: RevokeOptions,
  surroundings: Surroundings,
): Promise<void> {
  const { say } = surroundings;
  const keys = await readKeys(path);
  if (keys === undefined) throw noFile(path);
  if (keys.some((key) => key.id === id)) {
    await changeKeys(path, (now) => now.filter((key) => key.id !== id));
    say(`The key ${id} is revoked.`);
  } else {
    const others = keys.length === 0 ? 'There are none' : `There are ${keys.map((key) => key.id).join(', ')}`;
    const absent = `There is no key ${id} in ${path}. ${others}.`;
    if (options.cancelJobs !== true) throw new Obstacle(absent);
    say(absent);
  }
  if (options.cancelJobs === true) await cancelJobs(id, surroundings);
  else say('Jobs that it has sent still run (--cancel-jobs cancels them); a new key of the same id would see them.');
}
