import type { Fleet } from '@comfy-fleet/client';
import { useQuery } from '@tanstack/react-query';
import { useFleet } from '../session/session.js';
import { type KeyRow, keyRows } from './key-rows.js';

/** A page is a hundred keys. */
const MOST_PAGES = 20;

export interface AllKeys {
  readonly rows: readonly KeyRow[];
  /** There are more than are shown. */
  readonly isCut: boolean;
}

/** Every API key with what it may do and what it used. For keys with the right admin. */
export function useKeyRows(days: number, isWanted: boolean) {
  const fleet = useFleet();
  return useQuery({
    queryKey: ['keys', days],
    enabled: isWanted,
    queryFn: async ({ signal }): Promise<AllKeys> => {
      const [keys, used, { shares }] = await Promise.all([
        pages((cursor) => fleet.keys({ cursor, signal })),
        pages((cursor) => fleet.usageOfKeys({ days, cursor, signal })),
        fleet.status({ signal }),
      ]);
      return { rows: keyRows(keys.data, used.data, shares), isCut: keys.isCut || used.isCut };
    },
  });
}

type Page = Awaited<ReturnType<Fleet['keys']>> | Awaited<ReturnType<Fleet['usageOfKeys']>>;

async function pages<P extends Page>(read: (cursor: string | undefined) => Promise<P>) {
  const data: P['data'][number][] = [];
  let cursor: string | null | undefined;
  for (let n = 0; n < MOST_PAGES && cursor !== null; n++) {
    const page: P = await read(cursor);
    data.push(...page.data);
    cursor = page.next_cursor;
  }
  return { data, isCut: cursor !== null };
}
