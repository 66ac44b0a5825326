import { Obstacle, type Output } from '../command.js';
import { changeKeys, readKeys } from './keys-file.js';
import { noFile } from './no-file.js';

/** Takes a key out of the file. */
export async function revokeKey(id: string, path: string, out: Output): Promise<void> {
  if ((await readKeys(path)) === undefined) throw noFile(path); // which a change would make
  await changeKeys(path, (keys) => {
    const rest = keys.filter((key) => key.id !== id);
    if (rest.length === keys.length) {
      const others = keys.length === 0 ? 'There are none' : `There are ${keys.map((key) => key.id).join(', ')}`;
      throw new Obstacle(`There is no key ${id} in ${path}. ${others}.`);
    }
    return rest;
  });
  out.say(`The key ${id} is revoked. Jobs that it has sent still run; a new key of the same id would see them.`);
}
