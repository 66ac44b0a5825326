interface Closable {
  close(): Promise<void>;
}

/** Resolves when all have started. When one does not, closes those that did, and rejects with its reason. */
export async function startAll<T extends Closable>(starts: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(starts);
  const started = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const failed = settled.find((each) => each.status === 'rejected');
  if (failed === undefined) return started;
  await closeAll(started);
  throw failed.reason;
}

export async function closeAll(started: readonly Closable[]): Promise<void> {
  await Promise.all(started.map((each) => each.close()));
}

/** What `use` makes of them; when that rejects they are closed before it is told. */
export async function orCloseAll<T>(started: readonly Closable[], use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    await closeAll(started);
    throw error;
  }
}
