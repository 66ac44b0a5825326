import { hasRight, useMe } from '../session/use-me.js';

/** Whether whoever looks may publish; until that is known, not. */
export function useIsAdmin(): boolean {
  return hasRight(useMe().data, 'admin') === true;
}
