import { version } from '@comfy-fleet/telemetry';
import type { OpenAPIObject, PathsObject } from 'openapi3-ts/oas31';
import type { Route } from '../../../server/messages.js';
import { components } from './components.js';
import { INTRODUCTION } from './introduction.js';
import { namingOf } from './name-schemas.js';
import { namedSchemas } from './named-schemas.js';
import type { DocumentSettings } from './operation.js';
import { operationObject } from './operation-object.js';
import { documentPath } from './parameters.js';
import { operationDocs } from './routes/index.js';
import { tagObjects } from './tags.js';
import { webhookPaths } from './webhook-paths.js';

export interface DocumentOptions extends DocumentSettings {
  /** Where callers reach the service; undefined: where the document is. */
  readonly publicUrl: string | undefined;
  /** Nobody is asked who they are. */
  readonly anonymous: boolean;
}

/**
 * The API as an OpenAPI 3.1 document, of the route table and the schemas that the validators use. Throws when a route is
 * not documented, or something documented is no route.
 */
export function openApiDocument(routes: readonly Route[], options: DocumentOptions): OpenAPIObject {
  const docs = operationDocs(options);
  const naming = namingOf(namedSchemas(options));
  const served = new Map(routes.map((route) => [`${route.method} ${route.path}`, route]));
  for (const name of served.keys()) {
    if (docs[name] === undefined) throw new Error(`${name} is not documented in openapi/routes`);
  }
  const paths: PathsObject = {};
  // In the order of the documentation, not in the order in which routes are matched.
  for (const [name, doc] of Object.entries(docs)) {
    const route = served.get(name);
    if (route === undefined) throw new Error(`documented in openapi/routes, but no route: ${name}`);
    const operation = operationObject(route, doc, { naming, anonymous: options.anonymous });
    const path = documentPath(route.path);
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'comfy-fleet',
      version: version(),
      description: INTRODUCTION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: options.publicUrl ?? '/' }],
    tags: tagObjects(),
    paths,
    webhooks: webhookPaths(naming),
    components: components(options),
  };
}
