import { createHash } from 'node:crypto';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { exampleBody, limitsFor, showJson, type Workflow } from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import type { SchemaObject } from 'openapi3-ts/oas31';
import type { Deps } from '../../deps.js';
import { type DocumentedWorkflow, openApiDocument } from '../../openapi/document.js';
import type { ApiRoute } from '../../openapi/route.js';
import { mayRun } from '../../server/gate.js';
import { isKnown } from '../../server/locals.js';
import type { Handler } from '../../server/messages.js';
import { catalogueFor } from '../../workflows/find-workflow.js';

/** How long a document is served before it is built again: the options of inputs change with the instances' models. */
const FRESH_MS = 60_000;
/** How many documents are cached. Keys that may run different workflows get different documents. */
const MOST_DOCUMENTS = 20;

/**
 * Serves the document of the routes and of the workflows that the caller may run: none for a caller without a key, unless
 * the service has no keys. A document is built on request, and built again after a workflow has changed.
 */
export function openApiJson(deps: Deps, routes: () => readonly ApiRoute[]): Handler {
  const { http, limits } = deps.config;
  const anonymous = deps.keys === undefined;
  const options = { publicUrl: http.publicUrl, anonymous, limits };
  const documents = new LRUCache<string, { readonly text: string; readonly etag: string }, readonly Workflow[]>({
    max: MOST_DOCUMENTS,
    ttl: FRESH_MS,
    allowStale: true, // serve an expired document while its successor is being built
    fetchMethod: async (_id, _stale, { context }) => {
      const documented: DocumentedWorkflow[] = [];
      for (const workflow of context) {
        documented.push(await documentedWorkflow(deps, workflow));
        await yieldToEventLoop();
      }
      const document = openApiDocument(routes(), documented, options);
      await yieldToEventLoop();
      const text = showJson(document);
      return { text, etag: `"${createHash('sha256').update(text).digest('hex')}"` };
    },
  });
  return async (request) => {
    const { visitor: caller } = request;
    const { revision, served } = deps.workflows;
    const all = [...served.values()].map(({ workflow }) => workflow);
    const shown = caller === undefined ? [] : all.filter(({ name }) => mayRun(caller, name));
    const id = JSON.stringify([revision, shown.map(({ name }) => name)]);
    const { text, etag } = await documents.forceFetch(id, { context: shown });
    const headers = {
      ETag: etag,
      'Content-Type': 'application/json; charset=utf-8',
      'Cache-Control': anonymous || caller === undefined ? 'public, max-age=300' : 'private, no-cache',
      ...(anonymous ? {} : { Vary: 'Authorization, X-API-Key' }),
      // Client generators also run in web pages of other origins.
      'Cross-Origin-Resource-Policy': 'cross-origin',
    };
    if (isKnown(request.header('if-none-match'), etag)) return { status: 304, headers };
    return { status: 200, headers, body: text };
  };
}

async function documentedWorkflow(deps: Deps, workflow: Workflow): Promise<DocumentedWorkflow> {
  // Without Redis the document has fewer details, but it is still served.
  // The document is the same for all keys, so it has no model that some of them may not use.
  const catalogue = await catalogueFor(deps, workflow, undefined).catch(() => undefined);
  const described = workflow.describe(catalogue, limitsFor(deps.config.limits, workflow, {}));
  const { name, description } = workflow;
  // The document declares the dialect for all its schemas.
  const { $schema: _same, ...inputs } = described.schema;
  return { name, description, inputs: inputs as SchemaObject, example: exampleBody(described) };
}
