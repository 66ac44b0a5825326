/** An instance that can run every job and has nothing to load for it. */
const RUNS_ALL = { name: 'any/1', fit: () => 0 };

/** Claims the next job of a pool, whatever instances it needs; undefined if there is none. */
export async function claimNext<Claim extends object>(source: {
  nextFor(asker: typeof RUNS_ALL): Promise<Claim | 'left' | undefined>;
}): Promise<Claim | undefined> {
  const claim = await source.nextFor(RUNS_ALL);
  return claim === 'left' ? undefined : claim;
}
