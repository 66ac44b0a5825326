import pLimit, { type LimitFunction } from 'p-limit';

/** Gives work of a key its turn. */
export type Turns = <T>(key: string, work: () => Promise<T> | T) => Promise<T>;

/** `most` at a time, of all keys. As much of one key at most waits among the work of others, however much it has. */
export function createTurns(most: number): Turns {
  const all = pLimit(most);
  const ofKeys = new Map<string, LimitFunction>();
  return (key, work) => {
    const ofKey = ofKeys.get(key) ?? pLimit(most);
    ofKeys.set(key, ofKey);
    return ofKey(() => all(work));
  };
}
