import { Float, isObject, type Json } from '../src/python.js';

/**
 * Maps ids and file names of a recording to those of the replay. Two names are tied when they first occur in the same
 * place, and must then stay together: two files with names of one file in the recording are a difference.
 */
export class Names {
  private readonly toRecorded = new Map<string, string>();
  private readonly toActual = new Map<string, string>();

  tie(recorded: string, actual: string): void {
    if (this.toActual.has(recorded) || this.toRecorded.has(actual)) return;
    this.toActual.set(recorded, actual);
    this.toRecorded.set(actual, recorded);
  }

  /** Ties the names in two texts of the same shape. */
  tieAll(recorded: string, actual: string, pattern: RegExp): void {
    const [theirs, ours] = [[...recorded.matchAll(pattern)], [...actual.matchAll(pattern)]];
    for (const [at, match] of theirs.entries()) {
      const other = ours[at];
      if (other !== undefined) this.tie(match[0], other[0]);
    }
  }

  recorded = (text: string): string => replaceAll(text, this.toRecorded);

  actual = (text: string): string => replaceAll(text, this.toActual);

  isKnown(recorded: string): boolean {
    return this.toActual.has(recorded);
  }
}

/** Replaces all names in one pass, so that no replacement is replaced again. */
function replaceAll(text: string, map: ReadonlyMap<string, string>): string {
  const found = [...map.keys()].filter((name) => text.includes(name)).sort((a, b) => b.length - a.length);
  if (found.length === 0) return text;
  const pattern = new RegExp(found.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'), 'g');
  return text.replace(pattern, (name) => map.get(name) ?? name);
}

/** Lists made from Python sets, whose order differs in each process. */
const SETS = new Set(['executed', 'current_outputs', 'errors', 'dependent_outputs']);
/** The year 2020 in milliseconds: any larger number is a time. */
const A_TIME = 1.6e12;

/**
 * Replaces everything that differs between any two servers: times, numbers of prompts (but not their kind), tracebacks,
 * addresses, the order of sets, and the names that `names` maps.
 */
export function normalised(value: Json, names: (text: string) => string = (text) => text, key = ''): Json {
  if (value instanceof Float) return Number.isNaN(value.value) ? 'NaN' : { float: value.value };
  if (typeof value === 'number') return normalNumber(value, key);
  if (typeof value === 'string') return key === 'pytorch_version' ? '<version>' : normalText(value, names);
  if (Array.isArray(value)) return normalList(value, names, key);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [names(name), normalised(member, names, name)]),
  );
}

function normalNumber(value: number, key: string): Json {
  if (value > A_TIME) return '<time>';
  if (key === 'number' || key === 'priority') return value < 0 ? '<in front>' : '<counted>';
  return key === 'vram_total' || key.endsWith('_free') || key.endsWith('_total') ? '<bytes>' : value;
}

function normalText(text: string, names: (text: string) => string): string {
  if (text.startsWith('tensor(')) return '<tensor>';
  const withoutAddresses = text.replace(/object at 0x[0-9a-f]+/g, 'object');
  return names(withoutAddresses);
}

function normalList(list: Json[], names: (text: string) => string, key: string): Json {
  if (key === 'argv') return '<arguments>';
  if (key === 'traceback') return list.length > 0 ? '<traceback>' : [];
  const isPrompt = list.length === 5 && isObject(list[2]) && isObject(list[3]) && Array.isArray(list[4]);
  const items = list.map((item, at) => normalised(item, names, isPrompt && at === 0 ? 'number' : ''));
  if (isPrompt) items[4] = sorted(items[4] as Json[]);
  return SETS.has(key) ? sorted(items) : items;
}

function sorted(items: Json[]): Json[] {
  return [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}
