import { version } from '@comfy-fleet/telemetry';
import type { OpenAPIObject, PathsObject } from 'openapi3-ts/oas31';
import { INTRODUCTION } from './introduction.js';
import { definitionsOf, namingOf } from './name-schemas.js';
import { namedSchemas } from './named-schemas.js';
import type { ApiRoute, DocumentSettings } from './operation.js';
import { operationObject } from './operation-object.js';
import { documentPath } from './parameters.js';
import { headerComponents } from './response-headers.js';
import { securitySchemes } from './security.js';
import { webhookPaths } from './webhook-paths.js';

export interface DocumentOptions extends DocumentSettings {
  /** Where callers reach the service; undefined: where the document is. */
  readonly publicUrl: string | undefined;
  /** Nobody is asked who they are. */
  readonly anonymous: boolean;
}

/** The API as an OpenAPI 3.1 document. */
export function openApiDocument(routes: readonly ApiRoute[], options: DocumentOptions): OpenAPIObject {
  const schemas = namedSchemas(options);
  const naming = namingOf(schemas);
  const paths: PathsObject = {};
  for (const route of routes) {
    const operation = operationObject(route, { naming, anonymous: options.anonymous });
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
    tags: [...new Set(routes.map(({ tag }) => tag))],
    paths,
    webhooks: webhookPaths(naming),
    components: { schemas: definitionsOf(schemas), headers: headerComponents(), securitySchemes: securitySchemes() },
  };
}
