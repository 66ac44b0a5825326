import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Deps } from '../src/deps.js';
import { routes } from '../src/resources/routes.js';
import { openApiJson } from '../src/resources/service/openapi-json.js';
import { anonymousCaller } from '../src/server/gate.js';
import type { ApiRequest } from '../src/server/messages.js';

/** To make one takes longer than to start the rest of an API, and most APIs of the tests have the same. */
const made = new Map<string, Promise<string>>();

/** The OpenAPI document of an API with these dependencies while no instance has told what it has. */
export function documentOf(deps: Deps): Promise<string> {
  const { assets, http, limits, images } = deps.config;
  const versions = [...deps.workflows.byName].map(([name, { version }]) => [name, version]);
  const { profiles } = deps.workflows;
  const isOf = JSON.stringify([deps.keys === undefined, assets, http, limits, images, versions, profiles]);
  const document = made.get(isOf) ?? make(deps);
  made.set(isOf, document);
  return document;
}

async function make(deps: Deps): Promise<string> {
  // Without catalogues: what was read of them is believed for two seconds, and tests publish others.
  const fleet = { ...deps.ledger.fleet, catalogue: async () => undefined };
  const unaware = { ...deps, ledger: { ...deps.ledger, fleet } };
  const request = { header: () => undefined, caller: anonymousCaller } as unknown as ApiRequest;
  const { body } = await openApiJson(unaware, () => routes(deps))(request);
  return text(body as Readable);
}
