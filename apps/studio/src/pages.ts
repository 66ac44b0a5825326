import type { ComponentType } from 'react';
import { GalleryPage } from './gallery/gallery-page.js';
import { MakePage } from './make/make-page.js';

export interface StudioPage {
  /** Of the navigation. */
  readonly title: string;
  readonly path: string;
  /** More paths of the same page, such as `/gallery/:id`; the api serves one segment and one more below it. */
  readonly below?: readonly string[];
  readonly component: ComponentType;
}

/** In the order of the navigation. */
export const PAGES: readonly StudioPage[] = [
  { title: 'Make', path: '/make', component: MakePage },
  { title: 'Gallery', path: '/gallery', below: ['/gallery/:id'], component: GalleryPage },
];
