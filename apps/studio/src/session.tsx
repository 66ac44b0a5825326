import { Fleet, FleetError, type Me } from '@comfy-fleet/client';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import {
  createContext,
  type FormEvent,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useId,
  useMemo,
  useState,
} from 'react';

interface Session {
  readonly fleet: Fleet;
  readonly hasKey: boolean;
  /** Forgets the key and asks for another. */
  readonly leave: () => void;
}

/** The API is one level above the studio. */
export const API_URL = new URL('..', document.baseURI).href;
const SessionContext = createContext<Session | undefined>(undefined);

/** Provides a client with the user's key, and asks for a key once the API requires one. */
export function SessionProvider({ children }: { readonly children: ReactNode }) {
  const queries = useQueryClient();
  const [key, setKey] = useState(keyStore.get);
  const [isAsked, setAsked] = useState(false);
  const fleet = useMemo(() => new Fleet({ url: API_URL, retries: 1, ...(key === undefined ? {} : { key }) }), [key]);

  useEffect(
    () =>
      queries.getQueryCache().subscribe(({ type, query }) => {
        // removing the queries of an old key emits their errors again
        if (type !== 'removed' && isRefused(query.state.error)) setAsked(true);
      }),
    [queries],
  );
  const change = useCallback(
    (to: string | undefined) => {
      setKey(to);
      setAsked(to === undefined);
      queries.clear();
    },
    [queries],
  );
  // Another tab may have forgotten or replaced the remembered key.
  useEffect(() => {
    const follow = () => {
      const now = keyStore.get();
      if (now === key) return;
      keyStore.forgetDraft();
      change(now);
    };
    addEventListener('storage', follow);
    return () => removeEventListener('storage', follow);
  }, [key, change]);
  const session = useMemo<Session>(
    () => ({
      fleet,
      hasKey: key !== undefined,
      leave: () => {
        keyStore.forget();
        change(undefined);
      },
    }),
    [fleet, key, change],
  );
  const enter = (given: string, isRemembered: boolean) => {
    keyStore.set(given, isRemembered);
    change(given);
  };
  return (
    <SessionContext value={session}>
      {isAsked ? <KeyDialog wasRefused={key !== undefined} onKey={enter} /> : <Keyed key={key ?? ''}>{children}</Keyed>}
    </SessionContext>
  );
}

/** Its `key` remounts the page when the API key changes, so that nothing of the old key remains. */
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

interface KeyDialogProps {
  /** The API refused the previous key. */
  readonly wasRefused: boolean;
  readonly onKey: (key: string, isRemembered: boolean) => void;
}

/** Asks for an API key. */
function KeyDialog({ wasRefused, onKey }: KeyDialogProps) {
  const [key, setKey] = useState('');
  const [isRemembered, setRemembered] = useState(false);
  const hint = useId();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (key.trim() !== '') onKey(key.trim(), isRemembered);
  };
  return (
    <main className="key-page">
      <form className="card key-form" onSubmit={submit}>
        <h1>comfy-fleet studio</h1>
        <p id={hint}>
          {wasRefused ? 'The API does not know this key. ' : ''}
          This fleet needs an API key. The key stays in this tab and is sent only to this server.
        </p>
        <label className="field">
          <span className="label">API key</span>
          <input
            type="password"
            autoComplete="off"
            // biome-ignore lint/a11y/noAutofocus: there is nothing else on the page
            autoFocus
            aria-describedby={hint}
            value={key}
            onChange={(event) => setKey(event.target.value)}
          />
        </label>
        <label className="check">
          <input type="checkbox" checked={isRemembered} onChange={(event) => setRemembered(event.target.checked)} />
          Remember it on this browser
        </label>
        <button type="submit" className="primary">
          Continue
        </button>
      </form>
    </main>
  );
}

const NAME = 'comfy-fleet.key';
/** Storage key for the form of the Make page. It is removed with the API key, so that the next user does not see it. */
export const DRAFT_NAME = 'comfy-fleet.draft';

/** Stores the API key for this tab, or in this browser if the user wants it remembered. */
const keyStore = {
  get: (): string | undefined => read(sessionStorage) ?? read(localStorage),
  set: (key: string, isRemembered: boolean): void => {
    keyStore.forget();
    (isRemembered ? localStorage : sessionStorage).setItem(NAME, key);
  },
  forget: (): void => {
    sessionStorage.removeItem(NAME);
    localStorage.removeItem(NAME);
    keyStore.forgetDraft();
  },
  forgetDraft: (): void => sessionStorage.removeItem(DRAFT_NAME),
};

function read(store: Storage): string | undefined {
  return store.getItem(NAME) ?? undefined;
}

export type Right = Me['rights'][number];

const KEPT_MS = 60_000;

/** The user's key and its rights. */
export function useMe() {
  const fleet = useFleet();
  return useQuery({ queryKey: ['me'], queryFn: ({ signal }) => fleet.me({ signal }), staleTime: KEPT_MS });
}

/** Whether the user has the right; undefined until known, except `jobs`, which nearly every key has. */
export function hasRight(me: Me | undefined, right: Right | undefined): boolean | undefined {
  if (right === undefined) return true;
  if (me === undefined) return right === 'jobs' ? true : undefined;
  return me.rights.includes(right);
}

/** Whether the user is known to be an admin. */
export function useIsAdmin(): boolean {
  return hasRight(useMe().data, 'admin') === true;
}
