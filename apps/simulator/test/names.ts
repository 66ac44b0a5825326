/**
 * Ids and file names of a recording, tied to those of the replay as they first turn up in the same place. From then on
 * each must stay with the other: a second file under a name that was one file in the recording is a difference.
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

/** All at once, so that no replacement is replaced again. */
function replaceAll(text: string, map: ReadonlyMap<string, string>): string {
  const found = [...map.keys()].filter((name) => text.includes(name)).sort((a, b) => b.length - a.length);
  if (found.length === 0) return text;
  const pattern = new RegExp(found.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'), 'g');
  return text.replace(pattern, (name) => map.get(name) ?? name);
}
