/**
 * Reads of a key that many ask for at once. Who asks while one is under way shares the next one with all who do: it begins
 * after they asked, so that nobody gets what was true before.
 */
export function sharedReads<T>(read: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const underWay = new Map<string, Promise<T>>();
  const next = new Map<string, Promise<T>>();
  const begin = (key: string): Promise<T> => {
    next.delete(key);
    const reading = read(key).finally(() => {
      if (underWay.get(key) === reading) underWay.delete(key);
    });
    underWay.set(key, reading);
    return reading;
  };
  return (key) => {
    const current = underWay.get(key);
    if (current === undefined) return begin(key);
    const waiting =
      next.get(key) ??
      current.then(
        () => begin(key),
        () => begin(key),
      );
    next.set(key, waiting);
    return waiting;
  };
}
