import { Suspense } from 'react';
import { ErrorBoundary, type FallbackProps } from 'react-error-boundary';
import { useLocation } from 'wouter';
import type { StudioPage } from '../pages.js';
import { Fault } from '../parts/fault.js';
import { useSession } from '../session/session.js';
import { hasRight, useMe } from '../session/use-me.js';
import { PartMissing } from './later.js';

/** A page with what may stand in its place: while it is loaded, when it cannot be, and for those who may not see it. */
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
          ? 'The studio was renewed since you opened it, or the server cannot be reached. Reload the page.'
          : 'Something went wrong. Reload the page; if it happens again, tell whoever runs this fleet.'}
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
        whoever runs this fleet for one, or use another key.
      </p>
      <button type="button" onClick={leave}>
        Use another key
      </button>
    </section>
  );
}
