/**
 * A Redis that fails over may forget the last of what it counted. To Prometheus a counter that goes down has begun anew, and
 * all that it ever counted is of this minute: so what was shown is shown until the count has come to it again. A count that
 * lost more than half was emptied or restored, and is shown as it is.
 */
export function steadyCounts(): (name: string, count: number) => number {
  const shown = new Map<string, number>();
  return (name, count) => {
    const before = shown.get(name) ?? 0;
    const now = count < before / 2 ? count : Math.max(count, before);
    shown.set(name, now);
    return now;
  };
}
