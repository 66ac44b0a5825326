/** The names and indexes that lead to a value in JSON. */
export type Path = readonly string[];

/** Where a string or a number stands in a text. */
export interface Place {
  readonly path: Path;
  readonly start: number;
  readonly end: number;
}

/** RFC 8259, section 6. */
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y;
const WORD = /true|false|null/y;
const SPACE = /[ \t\n\r]*/y;

/** Arrays and objects inside of each other, of which a place is found. */
const MOST_DEPTH = 64;

/** Where a string or a number ends that begins here; undefined where none does. What may stand in a string is not looked at. */
export function scalarEnd(text: string, start: number): number | undefined {
  if (text[start] !== '"') return endOf(NUMBER, text, start);
  let quote = start;
  do quote = text.indexOf('"', quote + 1);
  while (quote !== -1 && isEscaped(text, quote));
  return quote === -1 ? undefined : quote + 1;
}

function isEscaped(text: string, at: number): boolean {
  let before = at;
  while (text[before - 1] === '\\') before -= 1;
  return (at - before) % 2 === 1;
}

/**
 * The strings and numbers of a text that is JSON whose paths are wanted, names of members left out, in their order.
 * Undefined where it is nested more than 64 deep. `isWanted` gets one array for all paths.
 */
export function placesIn(text: string, isWanted: (path: Path) => boolean): Place[] | undefined {
  const found: Place[] = [];
  const path: string[] = [];
  const afterSpace = (at: number) => endOf(SPACE, text, at) ?? at;

  /** Where the value ends that begins here; undefined: it is not looked at any further. */
  const read = (start: number): number | undefined => {
    if (text[start] === '{' || text[start] === '[') return path.length < MOST_DEPTH ? readMembers(start) : undefined;
    const end = scalarEnd(text, start);
    if (end !== undefined && isWanted(path)) found.push({ path: [...path], start, end });
    return end ?? endOf(WORD, text, start);
  };
  const readMembers = (start: number): number | undefined => {
    const isArray = text[start] === '[';
    let at = afterSpace(start + 1);
    for (let index = 0; text[at] !== '}' && text[at] !== ']'; index += 1) {
      let name = `${index}`;
      if (!isArray) {
        const end = scalarEnd(text, at) ?? at;
        name = JSON.parse(text.slice(at, end)) as string;
        at = afterSpace(end) + 1;
      }
      path.push(name);
      const end = read(afterSpace(at));
      path.pop();
      if (end === undefined) return undefined;
      at = afterSpace(end);
      if (text[at] === ',') at = afterSpace(at + 1);
    }
    return at + 1;
  };

  return read(afterSpace(0)) === undefined ? undefined : found;
}

function endOf(what: RegExp, text: string, at: number): number | undefined {
  what.lastIndex = at;
  return what.test(text) ? what.lastIndex : undefined;
}
