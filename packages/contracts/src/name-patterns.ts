/** Whether a pattern matches the name, ignoring case; `*` stands for any characters. */
export function matchesAny(name: string, patterns: readonly string[]): boolean {
  const { parts, answers } = knownOf(patterns);
  const before = answers.get(name);
  if (before !== undefined) return before;
  const lower = name.toLowerCase();
  const isAny = parts.some((one) => matches(lower, one));
  if (answers.size === MOST_ANSWERS) answers.clear();
  if (name.length <= MOST_KEPT_CHARS) answers.set(name, isAny);
  return isAny;
}

interface Known {
  /** The parts of each pattern between its stars. */
  readonly parts: readonly (readonly string[])[];
  /** Cached answers by name: graphs have nodes of few classes. */
  readonly answers: Map<string, boolean>;
}

/** Cached per list, because lists are settings and a graph checks each of its nodes against the same one. */
const known = new WeakMap<readonly string[], Known>();
/** How many answers are cached per list, and the longest cached name. */
const MOST_ANSWERS = 1000;
const MOST_KEPT_CHARS = 100;

function knownOf(patterns: readonly string[]): Known {
  const before = known.get(patterns);
  if (before !== undefined) return before;
  const made = { parts: patterns.map((pattern) => pattern.toLowerCase().split('*')), answers: new Map() };
  known.set(patterns, made);
  return made;
}

/** Not a regular expression: with many stars it could take very long. */
function matches(name: string, parts: readonly string[]): boolean {
  const start = parts[0] ?? '';
  if (parts.length === 1) return name === start;
  if (!name.startsWith(start)) return false;
  const end = parts.at(-1) ?? '';
  let at = start.length;
  for (let n = 1; n < parts.length - 1; n += 1) {
    const part = parts[n] ?? '';
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - end.length >= at && name.endsWith(end);
}
