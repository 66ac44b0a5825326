import {
  FleetError,
  fetchModelSchema,
  MODEL_KINDS,
  MODEL_NAME_PATTERN,
  MODEL_URL_FOLDER,
  type ModelAnswer,
  type ModelRecord,
  type ModelRequest,
  modelId,
  modelListSchema,
  modelRequestSchema,
  modelSchema,
} from '@comfy-fleet/contracts';
import { type ModelName, newModel } from '@comfy-fleet/jobs';
import type { Static } from 'typebox';
import type { Deps } from '../../deps.js';
import { type ApiRoute, tagged } from '../../openapi/route.js';
import { fieldsError } from '../../server/field-errors.js';
import type { ApiRequest, Reply } from '../../server/messages.js';
import { createValidator, invalidAt, refuseFaults } from '../../server/validator.js';
import { presentModels } from './present-model.js';

const MODELS = {
  name: 'models',
  description: 'Models that hosts fetch when jobs need them: which there are, who may use them, and where they are.',
};

const EXAMPLE: ModelRequest = { sources: ['hf:owner/repo/detail-v2.safetensors@main'], keys: ['studio'] };

export function modelRoutes(deps: Deps): ApiRoute[] {
  const { models } = deps.ledger;
  const validate = createValidator(modelRequestSchema);
  const validateFetch = createValidator(fetchModelSchema);
  const one = (description: string) => ({ description, json: modelSchema });
  const operators = { access: 'admin', errors: ['model_not_found'] } as const;

  /** The models that a key may use. Operators see those of callers too. */
  const seen = async ({ caller }: ApiRequest) =>
    caller.scopes.includes('admin') ? models.list() : (await deps.offers.to(caller)).records;
  const answer = async (status: number, record: ModelRecord, { caller }: ApiRequest): Promise<Reply> => {
    const { data } = await presentModels(deps, [record], caller);
    return { status, body: data[0] as ModelAnswer };
  };
  /** Changes a registered model. */
  const ask = async (request: ApiRequest, change: Partial<ModelRecord>): Promise<Reply> => {
    const record = await models.change(nameIn(request), (before) => before && { ...before, ...change });
    if (record === undefined) throw noModel();
    return answer(202, record, request);
  };

  return tagged(MODELS, {
    'GET /models': {
      access: 'jobs',
      id: 'listModels',
      summary: 'List the registered models: their sizes, where they are, and what is being fetched',
      description:
        'Lists the models that the key may use. Keys with the scope `admin` see all of them, with their sources, and ' +
        'the model folders of all hosts.',
      answers: { 200: { description: 'All models, by kind and name.', json: modelListSchema } },
      handler: async (request) => {
        const records = (await seen(request)).values();
        return { status: 200, body: await presentModels(deps, records, request.caller) };
      },
    },
    'GET /models/:kind/:model': {
      access: 'jobs',
      id: 'getModel',
      summary: 'Read a registered model',
      description: 'A slash in its name is written as `%2F`.',
      answers: { 200: one('The model.') },
      errors: ['model_not_found'],
      handler: async (request) => {
        const record = (await seen(request)).get(modelId(nameIn(request)));
        if (record === undefined) throw noModel();
        return answer(200, record, request);
      },
    },
    'PUT /models/:kind/:model': {
      access: 'admin',
      reads: 'json',
      id: 'putModel',
      summary: 'Register a model, or change it',
      description:
        'From then on jobs that need it are accepted, and hosts fetch it when one waits for it. Of a registered model, ' +
        'absent fields keep their values. A different file needs its `sha256`, or null to accept whatever the source has.',
      body: { json: modelRequestSchema, examples: { 'a LoRA for one key': EXAMPLE } },
      answers: { 200: one('The model was registered before.'), 201: one('A new model.') },
      handler: async (request) => {
        const { kind, name } = newName(request);
        const { value, errors } = validate(request.body, request);
        refuseFaults(errors);
        refuseKeys(deps, kind, value);
        let isNew = false;
        const record = await models.change({ kind, name }, (before) => {
          isNew = before === undefined;
          return { ...(before ?? newModel(kind, name, value)), ...value };
        });
        return answer(isNew ? 201 : 200, record, request);
      },
    },
    'DELETE /models/:kind/:model': {
      ...operators,
      id: 'deleteModel',
      summary: 'Delete a model, also from hosts that have fetched it',
      description:
        'Files that operators put there themselves stay, and any key may use them from then on. If only some keys could ' +
        'use it, none may for a week.',
      answers: { 204: { description: 'The model is no longer registered.' } },
      handler: async (request) => {
        let isKnown = false;
        await models.change(nameIn(request), (before) => {
          isKnown = before !== undefined;
          return undefined;
        });
        if (!isKnown) throw noModel();
        return { status: 204 };
      },
    },
    'POST /models/:kind/:model/fetch': {
      ...operators,
      reads: 'json',
      id: 'fetchModel',
      summary: 'Fetch a model before a job needs it',
      body: { json: fetchModelSchema, examples: { 'to the hosts of one pool': { pools: ['default'] } } },
      answers: { 202: one('Hosts that have disk space fetch it.') },
      handler: async (request) => {
        const { value, errors } = validateFetch(request.body ?? {}, request);
        refuseFaults(errors);
        return ask(request, { fetch_asked_at: Date.now(), fetch_pools: value.pools ?? null });
      },
    },
    'POST /models/:kind/:model/verify': {
      ...operators,
      id: 'verifyModel',
      summary: 'Check the SHA-256 of all copies that were fetched',
      answers: { 202: one('Hosts check their copies; `verified_at` of a copy changes when that is done.') },
      handler: (request) => ask(request, { verify_asked_at: Date.now() }),
    },
  });
}

/** The same for a model that does not exist and for one that the key may not use. */
function noModel(): FleetError {
  return new FleetError('model_not_found', 'There is no such model. GET /models lists the models.');
}

/** The model that the path names. Throws model_not_found. */
function nameIn({ params: { kind, model = '' } }: ApiRequest): ModelName {
  const known = MODEL_KINDS.find((one) => one === kind);
  if (known === undefined) throw noModel();
  return { kind: known, name: model };
}

const NAME = new RegExp(MODEL_NAME_PATTERN, 'u');

/** The name of a model to register. Throws validation_failed. */
function newName({ params: { kind, model = '' } }: ApiRequest): ModelName {
  const known = MODEL_KINDS.find((one) => one === kind);
  if (known === undefined) throw invalidAt('/kind', `must be a folder of models: ${MODEL_KINDS.join(', ')}`);
  const isOfCallers = model.startsWith(MODEL_URL_FOLDER);
  if (NAME.test(model) && !isOfCallers) return { kind: known, name: model };
  const detail = isOfCallers
    ? `must not begin with ${MODEL_URL_FOLDER}, where models are that callers name by a URL`
    : 'must be the name of a model file as loaders see it, such as sdxl/detail-v2.safetensors, without dots before its parts';
  throw invalidAt('/model', detail);
}

/** Throws validation_failed for keys that do not exist, and for models whose use cannot be limited. */
function refuseKeys({ keys }: Deps, kind: ModelName['kind'], { keys: ids }: Static<typeof modelRequestSchema>): void {
  if (ids === undefined || ids === null) return;
  if (kind === 'embeddings') {
    const detail = 'cannot be given for embeddings: any text can name them';
    throw invalidAt('/keys', detail);
  }
  const unknown = ids.flatMap((id, index) =>
    keys?.byId(id) === undefined ? [{ pointer: `/keys/${index}`, detail: `there is no API key ${id}` }] : [],
  );
  if (unknown.length > 0) throw fieldsError('validation_failed', unknown);
}
