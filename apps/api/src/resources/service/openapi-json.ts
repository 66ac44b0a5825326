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

/** The models of the instances change, and with them the options of inputs. */
const FRESH_MS = 60_000;
/** Documents that are kept: keys may run different workflows. */
const MOST_DOCUMENTS = 20;

/**
 * The document of the routes and of the workflows that the caller may run: without a key, where there are keys, of none.
 * It is made when it is asked for, and anew when a workflow changes.
 */
export function openApiJson(deps: Deps, routes: () => readonly ApiRoute[]): Handler {
  const { http, limits } = deps.config;
  const anonymous = deps.keys === undefined;
  const options = { publicUrl: http.publicUrl, anonymous, limits, maxBatchJobs: http.maxBatchJobs };
  const documents = new LRUCache<string, { readonly text: string; readonly etag: string }, readonly Workflow[]>({
    max: MOST_DOCUMENTS,
    ttl: FRESH_MS,
    allowStale: true, // a document older than that is answered once more while it is made anew
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
      // Generators of clients also run in pages of other origins.
      'Cross-Origin-Resource-Policy': 'cross-origin',
    };
    if (isKnown(request.header('if-none-match'), etag)) return { status: 304, headers };
    return { status: 200, headers, body: text };
  };
}

async function documentedWorkflow(deps: Deps, workflow: Workflow): Promise<DocumentedWorkflow> {
  // Without Redis the document says less, but it is still served.
  const catalogue = await catalogueFor(deps, workflow).catch(() => undefined);
  const described = workflow.describe(catalogue, limitsFor(deps.config.limits, workflow, {}));
  const { name, description } = workflow;
  // The dialect is that of the document.
  const { $schema: _same, ...inputs } = described.schema;
  return { name, description, inputs: inputs as SchemaObject, example: exampleBody(described) };
}
