import { type ComponentType, lazy } from 'react';

/** A part of the studio could not be loaded: it was updated since, or the server cannot be reached. */
export class PartMissing extends Error {
  override readonly name = 'PartMissing';
}

/** A component that is loaded when it is first shown. Throws PartMissing. */
export function lazyPart<Props extends object>(load: () => Promise<ComponentType<Props>>) {
  return lazy(async () => {
    try {
      return { default: await load() };
    } catch (cause) {
      throw new PartMissing('A part of the studio could not be loaded.', { cause });
    }
  });
}
