import { useCallback } from 'react';
import { useMe } from '../session/use-me.js';

/** Whether whoever looks may open a job of that key: one's own, or any where there are no keys. */
export function useMayOpen(): (key: string | null) => boolean {
  const { data: me } = useMe();
  return useCallback((key) => me !== undefined && (me.key === null || me.key === key), [me]);
}
