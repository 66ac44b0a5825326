import { parseJson } from '@comfy-fleet/workflows';
import { type Path, type Place, placesIn, scalarEnd } from './json-places.js';

/** A text of JSON that others are like, but for strings and numbers in some places. */
export interface Template {
  readonly paths: readonly Path[];
}

export interface Parsed {
  /** Has parts in common with what other texts were parsed to: it is not to be changed. */
  readonly value: unknown;
  /** What the text is like; undefined: nothing that is known. */
  readonly template: Template | undefined;
  /** Indexes of the paths where there is something else than the template has. */
  readonly changed: readonly number[];
}

/** The texts that came last, for the next ones to be like. */
export interface Templates {
  /** Parses JSON as parseJson does, and throws as it does. Of what is like a template only the places are parsed. */
  parse(text: string): Parsed;
  /** Makes a template of a text, of MOST_LEARNED_CHARS at most, with its value. Undefined where it would be of no use. */
  learn(text: string, value: unknown, isOpen: (path: Path) => boolean): Template | undefined;
  /** Whether texts are compared with it still. */
  has(template: Template): boolean;
}

/** A text is compared with each, from the beginning to the first difference. */
const MOST_TEMPLATES = 64;
/** Of a text that is learned; editors send more, with all that they show, in which too much differs each time. */
export const MOST_LEARNED_CHARS = 32 * 1024;
const MOST_COMPARED_CHARS = 2 * MOST_LEARNED_CHARS;
const MOST_PLACES = 256;

interface OpenPlace {
  readonly path: Path;
  /** What stands there, with the text behind it up to the next place. */
  readonly own: string;
  /** The latter alone. */
  readonly behind: string;
}

interface Known extends Template {
  readonly start: string;
  readonly places: readonly OpenPlace[];
  readonly value: unknown;
}

export function createTemplates(): Templates {
  /** The one that was used last is the first. */
  const templates: Known[] = [];
  return {
    parse: (text) => {
      const endsAt = createEnds(text);
      for (const [index, template] of text.length > MOST_COMPARED_CHARS ? [] : templates.entries()) {
        const found = differences(template, text, endsAt);
        if (found === undefined) continue;
        if (index > 0) templates.unshift(...templates.splice(index, 1));
        return { value: withChanges(template, found), template, changed: [...found.keys()] };
      }
      return { value: parseJson(text), template: undefined, changed: [] };
    },
    learn: (text, value, isOpen) => {
      const places = openPlaces(text, value, isOpen);
      if (places === undefined) return undefined;
      const template = templateOf(text, value, places);
      templates.unshift(template);
      if (templates.length > MOST_TEMPLATES) templates.pop();
      return template;
    },
    has: (template) => templates.includes(template as Known),
  };
}

/** Where the strings and numbers of one text end that begin somewhere. */
type Ends = (start: number) => number | undefined;

/** Looks at each once, for all templates that have a place there. */
function createEnds(text: string): Ends {
  const known = new Map<number, number | undefined>();
  return (start) => {
    if (!known.has(start)) known.set(start, scalarEnd(text, start));
    return known.get(start);
  };
}

/** What is written in places where the template has something else, by their index; undefined: the text is not like it. */
function differences({ start, places }: Known, text: string, endsAt: Ends): ReadonlyMap<number, string> | undefined {
  if (!hasAt(text, start, 0)) return undefined;
  const found = new Map<number, string>();
  let at = start.length;
  for (const [index, { own, behind }] of places.entries()) {
    if (hasAt(text, own, at)) {
      at += own.length;
      continue;
    }
    const end = endsAt(at);
    if (end === undefined || !hasAt(text, behind, end)) return undefined;
    found.set(index, text.slice(at, end));
    at = end + behind.length;
  }
  return at === text.length ? found : undefined;
}

/** As startsWith says, in a fifth of its time. */
function hasAt(text: string, part: string, at: number): boolean {
  return text.slice(at, at + part.length) === part;
}

/** Undefined where there are too many, or one whose value JSON takes from elsewhere: of a name that comes twice, the last. */
function openPlaces(text: string, value: unknown, isOpen: (path: Path) => boolean): readonly Place[] | undefined {
  const places = placesIn(text, (path) => isOpen(path) && !path.includes('__proto__'));
  if (places === undefined || places.length > MOST_PLACES) return undefined;
  const found = new Set<string>();
  for (const { path, start, end } of places) {
    const id = JSON.stringify(path);
    const isTaken = !found.has(id) && valueAt(value, path) === parseJson(text.slice(start, end));
    if (!isTaken) return undefined;
    found.add(id);
  }
  return places;
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce((part, name) => (Object.hasOwn(Object(part), name) ? Object(part)[name] : undefined), value);
}

function templateOf(text: string, value: unknown, places: readonly Place[]): Known {
  const open = places.map(({ path, start, end }, index): OpenPlace => {
    const next = places[index + 1]?.start ?? text.length;
    return { path, own: text.slice(start, next), behind: text.slice(end, next) };
  });
  return { start: text.slice(0, places[0]?.start), places: open, paths: open.map(({ path }) => path), value };
}

/** The same with something else in some places; what is not on the way there is shared. */
function withChanges({ value, paths }: Known, changes: ReadonlyMap<number, string>): unknown {
  const copies = new Set<unknown>();
  const copyOf = (part: unknown) => {
    if (copies.has(part)) return part as Record<string, unknown>;
    const copy = (Array.isArray(part) ? [...part] : { ...(part as object) }) as Record<string, unknown>;
    copies.add(copy);
    return copy;
  };
  // in an object of its own, so that the value itself may be what changes
  const outer: Record<string, unknown> = { value };
  for (const [index, written] of changes) {
    let [holder, last] = [outer, 'value'];
    for (const name of paths[index] ?? []) {
      const inner = copyOf(holder[last]);
      holder[last] = inner;
      [holder, last] = [inner, name];
    }
    holder[last] = parseJson(written);
  }
  return outer.value;
}
