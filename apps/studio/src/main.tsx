import { FleetError, FleetUnreachableError } from '@comfy-fleet/client';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Router } from 'wouter';
import { App } from './app.js';
import { SessionProvider } from './session.js';

const root = document.getElementById('root');
if (root === null) throw new Error('the page has no #root');

/** How often failed queries are retried, so that pages recover by themselves. */
const RECOVER_MS = 5_000;

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      retry: false, // the client retries
      staleTime: 5_000,
      refetchInterval: ({ state }) => mayRecover(state.error) && RECOVER_MS,
    },
  },
});
/** The studio's path, including any prefix that a proxy adds. */
const base = new URL(document.baseURI).pathname.replace(/\/$/, '');

createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <Router base={base}>
        <SessionProvider>
          <App />
        </SessionProvider>
      </Router>
    </QueryClientProvider>
  </StrictMode>,
);

function mayRecover(error: Error | null): boolean {
  return error instanceof FleetUnreachableError || (error instanceof FleetError && error.status >= 500);
}
