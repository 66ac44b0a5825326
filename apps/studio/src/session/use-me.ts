import type { Me } from '@comfy-fleet/client';
import { useQuery } from '@tanstack/react-query';
import { useFleet } from './session.js';

export type Right = Me['rights'][number];

const KEPT_MS = 60_000;

/** Who looks, and what they may do. */
export function useMe() {
  const fleet = useFleet();
  return useQuery({ queryKey: ['me'], queryFn: ({ signal }) => fleet.me({ signal }), staleTime: KEPT_MS });
}

/** Whether the right is there; until that is known, what nearly every key has is taken for granted. Undefined: to be seen. */
export function hasRight(me: Me | undefined, right: Right | undefined): boolean | undefined {
  if (right === undefined) return true;
  if (me === undefined) return right === 'jobs' ? true : undefined;
  return me.rights.includes(right);
}
