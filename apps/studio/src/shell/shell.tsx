import type { ReactNode } from 'react';
import { Link, useRoute } from 'wouter';
import { PAGES } from '../pages.js';
import { API_URL, useSession } from '../session/session.js';
import { hasRight, useMe } from '../session/use-me.js';
import { THEMES, type Theme, useTheme } from './theme.js';

/** What is around every page. */
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
  return (
    <Link href={path} aria-current={isHere ? 'page' : undefined}>
      {title}
    </Link>
  );
}
