import { useEffect } from 'react';

/** Keeps the screen on while the page is seen, where a browser lets it. */
export function useAwake(): void {
  useEffect(() => {
    let isGone = false;
    let lock: WakeLockSentinel | undefined;
    const ask = async () => {
      if (document.visibilityState !== 'visible') return;
      lock = await navigator.wakeLock?.request('screen').catch(() => undefined);
      if (isGone) await lock?.release();
    };
    void ask();
    // a browser takes it back when the page is hidden
    document.addEventListener('visibilitychange', ask);
    return () => {
      isGone = true;
      document.removeEventListener('visibilitychange', ask);
      void lock?.release();
    };
  }, []);
}
