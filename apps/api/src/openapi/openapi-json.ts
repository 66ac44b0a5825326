import { createHash } from 'node:crypto';
import { setImmediate as others } from 'node:timers/promises';
import { exampleBody, showJson, type Workflow } from '@comfy-fleet/workflows';
import type { OpenAPIObject, SchemaObject } from 'openapi3-ts/oas31';
import type { Deps } from '../deps.js';
import { type CachedFile, fileReply } from '../docs/file-reply.js';
import type { Handler, Route } from '../http/messages.js';
import { catalogueFor } from '../workflows/catalogue-for.js';
import { openApiDocument } from './document.js';
import { type DocumentedWorkflow, withWorkflows } from './workflow-paths.js';

/** What the instances have may change, and with it the options of inputs. */
const FRESH_MS = 60_000;

/** The document of the routes and the workflows; made when it is asked for, and kept until a workflow is another one. */
export function openApiJson(deps: Deps, routes: () => readonly Route[]): Handler {
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
  let made: { readonly file: CachedFile; readonly revision: number; readonly at: number } | undefined;
  let making: Promise<CachedFile> | undefined;

  const make = async (): Promise<CachedFile> => {
    const { revision, served } = deps.workflows;
    ofRoutes ??= openApiDocument(routes(), options);
    const documented: DocumentedWorkflow[] = [];
    for (const { workflow } of served.values()) {
      documented.push(await documentedWorkflow(deps, workflow));
      await others();
    }
    const run = ofRoutes.paths?.['/workflows/{name}']?.post;
    if (run === undefined) throw new Error('running workflows is not documented');
    const file = cachedJson(withWorkflows(ofRoutes, run, documented));
    made = { file, revision, at: performance.now() };
    return file;
  };
  return async (request) => {
    const isCurrent = made?.revision === deps.workflows.revision;
    if (made === undefined || !isCurrent || performance.now() - made.at > FRESH_MS) {
      making ??= make().finally(() => {
        making = undefined;
      });
    }
    // Only what the instances have may have changed: who asks next has that.
    if (made !== undefined && isCurrent) making?.catch((error: unknown) => request.log.debug('no document', { error }));
    const file = made !== undefined && isCurrent ? made.file : await making;
    if (file === undefined) throw new Error('there is no document');
    // Generators of clients run in pages of other origins too.
    return fileReply(request, file, { 'Cross-Origin-Resource-Policy': 'cross-origin' });
  };
}

async function documentedWorkflow(deps: Deps, workflow: Workflow): Promise<DocumentedWorkflow> {
  // Without Redis there is a document all the same.
  const catalogue = await catalogueFor(deps, workflow).catch(() => undefined);
  const described = workflow.describe(catalogue);
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
