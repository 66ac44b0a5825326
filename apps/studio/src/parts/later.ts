import { type ComponentType, lazy } from 'react';

/** A part of the studio did not come: it is of another version by now, or the server cannot be reached. */
export class PartMissing extends Error {
  override readonly name = 'PartMissing';
}

/** A component whose code is loaded when it is first shown. Fails with PartMissing. */
export function later<Props extends object>(load: () => Promise<ComponentType<Props>>) {
  return lazy(async () => {
    try {
      return { default: await load() };
    } catch (cause) {
      throw new PartMissing('A part of the studio could not be loaded.', { cause });
    }
  });
}
