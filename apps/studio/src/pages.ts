import type { ComponentType } from 'react';
import { MakePage } from './make/make-page.js';
import { later } from './parts/later.js';
import type { Right } from './session.js';

export interface StudioPage {
  /** Of the navigation. */
  readonly title: string;
  readonly path: string;
  /** More paths of the same page, such as `/gallery/:id`; the api serves one segment and one more below it. */
  readonly below?: readonly string[];
  /** What an API key needs for it; without one it is not in the navigation, and says so. */
  readonly right?: Right;
  readonly component: ComponentType;
}

/** In the order of the navigation. All but the first are loaded when they are looked at. */
export const PAGES: readonly StudioPage[] = [
  { title: 'Make', path: '/make', right: 'jobs', component: MakePage },
  {
    title: 'Gallery',
    path: '/gallery',
    below: ['/gallery/:id'],
    right: 'jobs',
    component: later(async () => (await import('./gallery/gallery-page.js')).GalleryPage),
  },
  {
    title: 'Fleet',
    path: '/fleet',
    right: 'admin',
    component: later(async () => (await import('./fleet/fleet-page.js')).FleetPage),
  },
  {
    title: 'Workflows',
    path: '/workflows',
    below: ['/workflows/:name'],
    right: 'jobs',
    component: later(async () => (await import('./workflows/workflows-page.js')).WorkflowsPage),
  },
  {
    title: 'Usage',
    path: '/usage',
    below: ['/usage/:key'],
    component: later(async () => (await import('./usage/usage-page.js')).UsagePage),
  },
];

/** Fills the window by itself: nothing of the shell is around it. */
export const WALL: StudioPage = {
  title: 'Wall display',
  path: '/fleet/wall',
  right: 'admin',
  component: later(async () => (await import('./fleet/wall-page.js')).WallPage),
};
