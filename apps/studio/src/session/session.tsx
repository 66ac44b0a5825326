import { Fleet, FleetError } from '@comfy-fleet/client';
import { useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';
import { KeyDialog } from './key-dialog.js';
import { keyStore } from './key-store.js';

interface Session {
  readonly fleet: Fleet;
  readonly hasKey: boolean;
  /** Forgets the key, and asks for one. */
  readonly leave: () => void;
}

/** The API is where the studio is, one level up. */
export const API_URL = new URL('..', document.baseURI).href;
const SessionContext = createContext<Session | undefined>(undefined);

/** Talks to the API with the key of whoever looks; asks for one as soon as the API does. */
export function SessionProvider({ children }: { readonly children: ReactNode }) {
  const queries = useQueryClient();
  const [key, setKey] = useState(keyStore.get);
  const [isAsked, setAsked] = useState(false);
  const fleet = useMemo(() => new Fleet({ url: API_URL, retries: 1, ...(key === undefined ? {} : { key }) }), [key]);

  useEffect(
    () =>
      queries.getQueryCache().subscribe(({ type, query }) => {
        // those of an old key are told of once more when they are forgotten
        if (type !== 'removed' && isRefused(query.state.error)) setAsked(true);
      }),
    [queries],
  );
  const session = useMemo<Session>(
    () => ({
      fleet,
      hasKey: key !== undefined,
      leave: () => {
        keyStore.forget();
        setKey(undefined);
        queries.clear();
        setAsked(true);
      },
    }),
    [fleet, key, queries],
  );
  const enter = (given: string, isRemembered: boolean) => {
    keyStore.set(given, isRemembered);
    setKey(given);
    setAsked(false);
    queries.clear();
  };
  return (
    <SessionContext value={session}>
      {isAsked ? <KeyDialog wasRefused={key !== undefined} onKey={enter} /> : <Keyed key={key ?? ''}>{children}</Keyed>}
    </SessionContext>
  );
}

/** Nothing of one key is left on the page of another. */
function Keyed({ children }: { readonly children: ReactNode }) {
  return children;
}

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === undefined) throw new Error('no session above');
  return session;
}

export function useFleet(): Fleet {
  return useSession().fleet;
}

function isRefused(error: unknown): boolean {
  return error instanceof FleetError && error.code === 'unauthorized';
}
