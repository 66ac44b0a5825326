import { type ReactNode, Suspense, useEffect, useRef } from 'react';
import { ErrorBoundary, type FallbackProps } from 'react-error-boundary';
import { Link, useLocation, useRoute } from 'wouter';
import { PAGES, type StudioPage } from './pages.js';
import { Fault } from './parts/fault.js';
import { THEMES, type Theme, useTheme } from './parts/hooks.js';
import { PartMissing } from './parts/lazy-part.js';
import { API_URL, hasRight, useMe, useSession } from './session.js';

/** The header and frame around every page. */
export function Shell({ children }: { readonly children: ReactNode }) {
  const { hasKey, leave } = useSession();
  const { data: me } = useMe();
  const [theme, setTheme] = useTheme();
  return (
    <>
      <button type="button" className="skip" onClick={() => document.getElementById('page')?.focus()}>
        Skip to content
      </button>
      <header className="bar">
        <span className="brand">
          <img src="icon.svg" alt="" width="24" height="24" /> <span className="brand-name">comfy-fleet</span>
        </span>
        <nav aria-label="Pages">
          {PAGES.filter(({ right }) => hasRight(me, right)).map(({ title, path }) => (
            <NavLink key={path} title={title} path={path} />
          ))}
        </nav>
        <div className="bar-end">
          <a href={`${API_URL}docs`}>API</a>
          <label className="theme">
            <span className="sr-only">Theme</span>
            <select value={theme} onChange={(event) => setTheme(event.target.value as Theme)}>
              {THEMES.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </label>
          {hasKey && (
            <button type="button" className="quiet" title={me?.key ?? undefined} onClick={leave}>
              Forget key
            </button>
          )}
        </div>
      </header>
      <main id="page" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}

function NavLink({ title, path }: { readonly title: string; readonly path: string }) {
  const [isHere] = useRoute(`${path}/*?`);
  const link = useRef<HTMLAnchorElement>(null);
  useEffect(() => {
    // On a phone the links do not fit. Each time, since others come before it once the user's rights are known.
    if (isHere) link.current?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  });
  return (
    <Link ref={link} href={path} aria-current={isHere ? 'page' : undefined}>
      {title}
    </Link>
  );
}

/** Shows a page, or in its place that it is loading, has failed, or is not allowed. */
export function PageFrame({ page }: { readonly page: StudioPage }) {
  const [location] = useLocation();
  const { data: me, error } = useMe();
  const { component: Page, right } = page;
  const isAllowed = hasRight(me, right);
  if (isAllowed === false) return <NotAllowed page={page} />;
  if (isAllowed === undefined) return error === null ? <Loading /> : <Fault error={error} />;
  return (
    <ErrorBoundary FallbackComponent={Broken} resetKeys={[location]}>
      <Suspense fallback={<Loading />}>
        <Page />
      </Suspense>
    </ErrorBoundary>
  );
}

function Loading() {
  return <div className="page-loading" aria-busy="true" />;
}

function Broken({ error }: FallbackProps) {
  return (
    <section className="notice" role="alert">
      <h1>This page cannot be shown</h1>
      <p>
        {error instanceof PartMissing
          ? 'The studio was updated since you opened it, or the server cannot be reached. Reload the page.'
          : 'Something went wrong. Reload the page. If it happens again, tell the operator of this fleet.'}
      </p>
      <button type="button" className="primary" onClick={() => location.reload()}>
        Reload
      </button>
    </section>
  );
}

function NotAllowed({ page: { title, right } }: { readonly page: StudioPage }) {
  const { leave } = useSession();
  const { data: me } = useMe();
  return (
    <section className="notice">
      <h1>{title}</h1>
      <p>
        This page needs an API key with the right <code>{right}</code>, which <code>{me?.key}</code> does not have. Ask
        the operator of this fleet for one, or use another key.
      </p>
      <button type="button" onClick={leave}>
        Use another key
      </button>
    </section>
  );
}
