import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Router } from 'wouter';
import { App } from './app.js';
import { SessionProvider } from './session/session.js';
import './styles/index.css';

const root = document.getElementById('root');
if (root === null) throw new Error('the page has no #root');

// The client tries again by itself.
const queries = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: 5_000 } } });
/** Where the studio is, whatever a proxy put in front. */
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
