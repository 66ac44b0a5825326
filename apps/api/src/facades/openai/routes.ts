import type { Deps } from '../../deps.js';
import type { Route } from '../../server/messages.js';
import { getModel, listModels } from './list-models.js';
import { makeImages } from './make-images.js';

/** OpenAI's images API: pictures of prompts and of pictures, and the workflows as models. */
export function openaiRoutes(deps: Deps): Route[] {
  const { openaiAliases, openaiCancelsOnDisconnect: cancelOnDisconnect } = deps.config.compat;
  const aliases = new Map(Object.entries(openaiAliases));
  const shared = { aliases, cancelOnDisconnect };
  const generations = makeImages(deps, { ...shared, use: 'generations' });
  const edits = makeImages(deps, { ...shared, use: 'edits' });
  const variations = makeImages(deps, { ...shared, use: 'variations' });
  return [
    {
      method: 'POST',
      path: '/v1/images/generations',
      access: 'jobs',
      handler: generations,
      reads: 'json',
      held: true,
      converts: true,
    },
    { method: 'POST', path: '/v1/images/edits', access: 'jobs', handler: edits, reads: 'pictures', held: true },
    {
      method: 'POST',
      path: '/v1/images/variations',
      access: 'jobs',
      handler: variations,
      reads: 'pictures',
      held: true,
    },
    { method: 'GET', path: '/v1/models', access: 'jobs', handler: listModels(deps, aliases) },
    { method: 'GET', path: '/v1/models/:id', access: 'jobs', handler: getModel(deps, aliases) },
  ];
}
