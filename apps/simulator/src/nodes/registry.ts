import { conditioning } from './conditioning.js';
import { images } from './images.js';
import { latents } from './latents.js';
import { loaders } from './loaders.js';
import type { NodeRunner } from './node.js';
import { primitives } from './primitives.js';
import { probes } from './probes.js';
import { sampling } from './sampling.js';
import { saving } from './save.js';

/** The classes that are known in particular; the others are played by their signature. */
export const nodeRunners: Readonly<Record<string, NodeRunner>> = {
  ...loaders,
  ...conditioning,
  ...latents,
  ...sampling,
  ...images,
  ...primitives,
  ...saving,
  ...probes,
};
