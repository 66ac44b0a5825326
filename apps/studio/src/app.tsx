import { Redirect, Route, Switch } from 'wouter';
import { DraftProvider } from './make/draft.js';
import { PAGES } from './pages.js';
import { Shell } from './shell/shell.js';

export function App() {
  return (
    <DraftProvider>
      <Shell>
        <Switch>
          <Route path="/">
            <Redirect to="/make" replace />
          </Route>
          {PAGES.flatMap(({ path, component: Page, below = [] }) =>
            [path, ...below].map((one) => (
              <Route key={one} path={one}>
                <Page />
              </Route>
            )),
          )}
          <Route>
            <h1>There is no such page</h1>
          </Route>
        </Switch>
      </Shell>
    </DraftProvider>
  );
}
