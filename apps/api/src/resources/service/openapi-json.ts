import { createHash } from 'node:crypto';
import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { exampleBody, limitsFor, showJson, type Workflow } from '@comfy-fleet/workflows';
import { LRUCache } from 'lru-cache';
import type { OpenAPIObject, SchemaObject } from 'openapi3-ts/oas31';
import type { Deps } from '../../deps.js';
import { openApiDocument } from '../../openapi/document.js';
import type { ApiRoute } from '../../openapi/operation.js';
import { type DocumentedWorkflow, withWorkflows } from '../../openapi/workflow-paths.js';
import { mayRun } from '../../server/caller.js';
import type { ApiRequest, Handler } from '../../server/messages.js';
import { catalogueFor } from '../../workflows/catalogue-for.js';
import { type CachedFile, fileReply } from './docs/file-reply.js';

/** What the instances have may change, and with it the options of inputs. */
const FRESH_MS = 60_000;

/** Selections of workflows, by what keys may run, whose documents are kept. */
const MOST_DOCUMENTS = 20;

interface Made {
  readonly workflows: readonly DocumentedWorkflow[];
  /** By the names of the workflows in them. */
  readonly files: LRUCache<string, CachedFile>;
  readonly revision: number;
  readonly at: number;
}

/**
 * The document of the routes and of the workflows that the caller may run: without a key, where there are keys, of none.
 * It is made when it is asked for, and kept until a workflow changes.
 */
export function openApiJson(deps: Deps, routes: () => readonly ApiRoute[]): Handler {
  const { assets, http, limits, images } = deps.config;
  const anonymous = deps.keys === undefined;
  const options = {
    publicUrl: http.publicUrl,
    anonymous,
    limits,
    maxBatchJobs: http.maxBatchJobs,
    maxWaitSeconds: http.maxWaitSeconds,
    maxImageBytes: images.maxBytes,
    maxAssetBytes: assets.maxBytes,
    widths: images.widths,
  };
  let ofRoutes: OpenAPIObject | undefined;
  let made: Made | undefined;
  let making: Promise<Made> | undefined;

  const make = async (): Promise<Made> => {
    const { revision, served } = deps.workflows;
    const documented: DocumentedWorkflow[] = [];
    for (const { workflow } of served.values()) {
      documented.push(await documentedWorkflow(deps, workflow));
      await yieldToEventLoop();
    }
    const files = new LRUCache<string, CachedFile>({ max: MOST_DOCUMENTS });
    made = { workflows: documented, files, revision, at: performance.now() };
    return made;
  };
  const current = async ({ log }: ApiRequest): Promise<Made> => {
    const isCurrent = made?.revision === deps.workflows.revision;
    if (made === undefined || !isCurrent || performance.now() - made.at > FRESH_MS) {
      making ??= make().finally(() => {
        making = undefined;
      });
    }
    // Only what the instances have may have changed: who asks next has that.
    if (made !== undefined && isCurrent) making?.catch((error: unknown) => log.debug('no document', { error }));
    const found = made !== undefined && isCurrent ? made : await making;
    if (found === undefined) throw new Error('there is no document');
    return found;
  };
  const write = (workflows: readonly DocumentedWorkflow[]): CachedFile => {
    ofRoutes ??= openApiDocument(routes(), options);
    const run = ofRoutes.paths?.['/workflows/{name}']?.post;
    if (run === undefined) throw new Error('running workflows is not documented');
    return cachedJson(withWorkflows(ofRoutes, run, workflows));
  };

  return async (request) => {
    const { workflows, files } = await current(request);
    const { caller } = request;
    const shown = caller === undefined ? [] : workflows.filter(({ name }) => mayRun(caller, name));
    const names = JSON.stringify(shown.map(({ name }) => name));
    const file = files.get(names) ?? write(shown);
    files.set(names, file);
    // Generators of clients run in pages of other origins too.
    const headers = { 'Cross-Origin-Resource-Policy': 'cross-origin' };
    if (anonymous) return fileReply(request, file, headers);
    const scope = caller === undefined ? {} : { 'Cache-Control': 'private, no-cache' };
    return fileReply(request, file, { ...headers, ...scope, Vary: 'Authorization, X-API-Key' });
  };
}

async function documentedWorkflow(deps: Deps, workflow: Workflow): Promise<DocumentedWorkflow> {
  // Without Redis there is a document all the same.
  const catalogue = await catalogueFor(deps, workflow).catch(() => undefined);
  const described = workflow.describe(catalogue, limitsFor(deps.config.limits, workflow, {}));
  const { name, description } = workflow;
  // the document's own dialect
  const { $schema: _same, ...inputs } = described.schema;
  return { name, description, inputs: inputs as SchemaObject, example: exampleBody(described) };
}

function cachedJson(value: object): CachedFile {
  const data = Buffer.from(showJson(value));
  return {
    data,
    contentType: 'application/json; charset=utf-8',
    sha256: createHash('sha256').update(data).digest('hex'),
  };
}
