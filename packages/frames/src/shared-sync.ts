/**
 * Lets those who want the same thing synced at the same time share one sync: each gets one that begins after it asked.
 * Fails for all of them when it fails.
 */
export function sharedSync(syncOnce: () => Promise<void>): { sync(): Promise<void> } {
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  return {
    sync: () => {
      next ??= running
        .catch(() => {})
        .then(() => {
          next = undefined;
          running = syncOnce();
          return running;
        });
      return next;
    },
  };
}
