import type { Deps } from '../../deps.js';
import type { Route } from '../../server/messages.js';
import { makeImages } from './make-images.js';
import { getModel, listModels } from './models.js';

/** OpenAI's images API: pictures of prompts and of pictures, and the workflows as models. */
export function openaiRoutes(deps: Deps): Route[] {
  const images = { method: 'POST', access: 'jobs', held: true } as const;
  const pictures = { ...images, reads: 'pictures' } as const;
  const generations = makeImages(deps, 'generations');
  return [
    { ...images, path: '/v1/images/generations', handler: generations, reads: 'json', converts: true },
    { ...pictures, path: '/v1/images/edits', handler: makeImages(deps, 'edits') },
    { ...pictures, path: '/v1/images/variations', handler: makeImages(deps, 'variations') },
    { method: 'GET', path: '/v1/models', access: 'jobs', handler: (request) => listModels(deps, request) },
    { method: 'GET', path: '/v1/models/:id', access: 'jobs', handler: (request) => getModel(deps, request) },
  ];
}
