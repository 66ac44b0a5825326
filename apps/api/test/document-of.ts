import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Deps } from '../src/deps.js';
import { routes } from '../src/resources/routes.js';
import { openApiJson } from '../src/resources/service/openapi-json.js';
import { anonymousCaller } from '../src/server/gate.js';
import type { ApiRequest } from '../src/server/messages.js';

/** Cached, because making a document takes longer than starting an API, and most tests have the same one. */
const made = new Map<string, Promise<string>>();

/** The OpenAPI document of an API with these dependencies, before any instance has published a catalogue. */
export function documentOf(deps: Deps): Promise<string> {
  const { assets, http, limits, images } = deps.config;
  const versions = [...deps.workflows.byName].map(([name, { version }]) => [name, version]);
  const { profiles } = deps.workflows;
  const id = JSON.stringify([deps.keys === undefined, assets, http, limits, images, versions, profiles]);
  const document = made.get(id) ?? make(deps);
  made.set(id, document);
  return document;
}

async function make(deps: Deps): Promise<string> {
  // Without catalogues, because they are cached for two seconds and tests publish their own.
  const fleet = { ...deps.ledger.fleet, catalogue: async () => undefined };
  const withoutCatalogues = { ...deps, ledger: { ...deps.ledger, fleet } };
  const request = { header: () => undefined, caller: anonymousCaller } as unknown as ApiRequest;
  const { body } = await openApiJson(withoutCatalogues, () => routes(deps))(request);
  return text(body as Readable);
}
