import type { ComponentType } from 'react';
import { MakePage } from './make/make-page.js';
import { lazyPart } from './parts/lazy-part.js';
import type { Right } from './session.js';

export interface StudioPage {
  /** Its name in the navigation. */
  readonly title: string;
  readonly path: string;
  /** Further paths of the page, such as `/gallery/:id`. The API serves the studio for paths of up to two segments. */
  readonly below?: readonly string[];
  /** The right that an API key needs. Without it, the page is not in the navigation and shows why. */
  readonly right?: Right;
  readonly component: ComponentType;
}

/** In the order of the navigation. All but the first are loaded on demand. */
export const PAGES: readonly StudioPage[] = [
  { title: 'Make', path: '/make', right: 'jobs', component: MakePage },
  {
    title: 'Gallery',
    path: '/gallery',
    below: ['/gallery/:id'],
    right: 'jobs',
    component: lazyPart(async () => (await import('./gallery/gallery-page.js')).GalleryPage),
  },
  {
    title: 'Fleet',
    path: '/fleet',
    right: 'admin',
    component: lazyPart(async () => (await import('./fleet/fleet-page.js')).FleetPage),
  },
  {
    title: 'Workflows',
    path: '/workflows',
    below: ['/workflows/:name'],
    right: 'jobs',
    component: lazyPart(async () => (await import('./workflows/workflows-page.js')).WorkflowsPage),
  },
  {
    title: 'Models',
    path: '/models',
    right: 'jobs',
    component: lazyPart(async () => (await import('./models/models-page.js')).ModelsPage),
  },
  {
    title: 'Usage',
    path: '/usage',
    below: ['/usage/:key'],
    component: lazyPart(async () => (await import('./usage/usage-page.js')).UsagePage),
  },
];

/** Fills the window without the shell around it. */
export const WALL: StudioPage = {
  title: 'Wall display',
  path: '/fleet/wall',
  right: 'admin',
  component: lazyPart(async () => (await import('./fleet/wall-page.js')).WallPage),
};
