import { plainName } from '@comfy-fleet/frames';
import { parse } from 'content-disposition';

const MOST_CHARS = 255;

/** What a file is called where it comes from, without folders and what no name should have; undefined: nobody says. */
export function ownNameOf(given: string | undefined, disposition?: string): string | undefined {
  const name = given ?? namedBy(disposition) ?? '';
  const plain = plainName(name).slice(-MOST_CHARS).toWellFormed().trim();
  return plain === '' ? undefined : plain;
}

function namedBy(disposition: string | undefined): string | undefined {
  try {
    return disposition === undefined ? undefined : parse(disposition).parameters.filename;
  } catch {
    return undefined; // it is only a hint
  }
}
