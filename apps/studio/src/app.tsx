import { Redirect, Route, Switch } from 'wouter';
import { DraftProvider } from './make/draft.js';
import { PAGES, WALL } from './pages.js';
import { PageFrame, Shell } from './shell.js';

export function App() {
  return (
    <DraftProvider>
      <Switch>
        <Route path={WALL.path}>
          <PageFrame page={WALL} />
        </Route>
        <Route>
          <Shell>
            <Pages />
          </Shell>
        </Route>
      </Switch>
    </DraftProvider>
  );
}

function Pages() {
  return (
    <Switch>
      <Route path="/">
        <Redirect to="/make" replace />
      </Route>
      <Route path="/jobs/:id?">
        {({ id }) => <Redirect to={id === undefined ? '/gallery' : `/gallery/${id}`} replace />}
      </Route>
      {PAGES.flatMap((page) =>
        [page.path, ...(page.below ?? [])].map((path) => (
          <Route key={path} path={path}>
            <PageFrame page={page} />
          </Route>
        )),
      )}
      <Route>
        <h1>Page not found</h1>
      </Route>
    </Switch>
  );
}
