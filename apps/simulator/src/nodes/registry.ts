import { conditioning } from './conditioning.js';
import { images } from './images.js';
import { latents } from './latents.js';
import { loaders } from './loaders.js';
import type { NodeRunner } from './node.js';
import { primitives } from './primitives.js';
import { sampling } from './sampling.js';
import { saving } from './save.js';

/** What each known node class does. The classes are those described in data/object-info-*.json. */
export const nodeRunners: Readonly<Record<string, NodeRunner>> = {
  ...loaders,
  ...conditioning,
  ...latents,
  ...sampling,
  ...images,
  ...primitives,
  ...saving,
};
