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

/** All strings and numbers in a text that is JSON, but for the names of members, in their order. */
export function* placesIn(text: string): Generator<Place> {
  const afterSpace = (at: number) => endOf(SPACE, text, at) ?? at;

  function* inside(path: Path, from: number): Generator<Place, number> {
    const start = afterSpace(from);
    if (text[start] === '{' || text[start] === '[') return yield* members(path, start);
    const end = scalarEnd(text, start);
    if (end !== undefined) yield { path, start, end };
    const after = end ?? endOf(WORD, text, start);
    if (after === undefined) throw new Error('the places of a text are asked for that is no JSON');
    return after;
  }

  function* members(path: Path, start: number): Generator<Place, number> {
    const isArray = text[start] === '[';
    let at = afterSpace(start + 1);
    for (let index = 0; text[at] !== '}' && text[at] !== ']'; index += 1) {
      let name = `${index}`;
      if (!isArray) {
        const end = scalarEnd(text, at) ?? at;
        name = JSON.parse(text.slice(at, end)) as string;
        at = afterSpace(end) + 1;
      }
      at = afterSpace(yield* inside([...path, name], at));
      if (text[at] === ',') at = afterSpace(at + 1);
    }
    return at + 1;
  }

  yield* inside([], 0);
}

function endOf(what: RegExp, text: string, at: number): number | undefined {
  what.lastIndex = at;
  return what.test(text) ? what.lastIndex : undefined;
}
