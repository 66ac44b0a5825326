import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { OpenAPIObject, OperationObject, RequestBodyObject, SchemaObject } from 'openapi3-ts/oas31';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { aKey, as, problemOf, startApi, type TestApi } from './api.js';
import { documentCheck, type SentAnswer } from './documented.js';

const PUBLIC_URL = 'https://pictures.example/api';
/** An id in the right format that names nothing. */
const NOBODY = '0198b5c0-0000-7000-8000-000000000000';
const VERBS = ['get', 'post', 'delete', 'put', 'patch'] as const;

let api: TestApi;
let text: string;
let document: OpenAPIObject;
beforeAll(async () => {
  api = await startApi(inject('redisUrl'), { env: { PUBLIC_URL } });
  text = await (await api.get('/openapi.json')).text();
  document = JSON.parse(text);
});
afterAll(() => api.close());

/** Whether this is a workflow's own path. It has POST only; `/workflows/{name}` has the other methods. */
const isOfWorkflow = (path: string) => /^\/workflows\/[^{/]+$/.test(path);

function operations(): { path: string; verb: string; operation: OperationObject }[] {
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    VERBS.flatMap((verb) => {
      const operation = item[verb as 'get'];
      return operation === undefined ? [] : [{ path, verb, operation }];
    }),
  );
}

describe('openapi.json', () => {
  it('is valid OpenAPI 3.1, with the public address as its server', async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(JSON.parse(text));
    expect(errors).toBeUndefined();
    expect([valid, validator.version, document.servers]).toEqual([true, '3.1', [{ url: PUBLIC_URL }]]);
  });

  it('has only schemas that compile and that something refers to', () => {
    const ajv = formats.default(new Ajv2020({ strict: false }));
    ajv.addSchema(document, 'openapi');
    const names = Object.keys(document.components?.schemas ?? {});
    for (const name of names) expect(ajv.getSchema(`openapi#/components/schemas/${name}`), name).toBeTypeOf('function');
    // Webhooks are sent, not answered.
    expect(names.filter((name) => !text.includes(`"#/components/schemas/${name}"`))).toEqual(['WebhookMessage']);
  });

  it('gives every operation a unique name, a summary and a documented tag', () => {
    const all = operations().map(({ operation }) => operation);
    const ids = all.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const tags = new Set(document.tags?.map(({ name }) => name));
    expect(all.filter(({ summary, tags: [tag = ''] = [] }) => !summary || !tags.has(tag))).toEqual([]);
  });

  it.each([
    ...['Job', 'JobImage', 'JobOutput', 'JobProgress', 'WaitingFor', 'WebhookDelivery', 'WebhookAttempt'],
    ...['UsageDay', 'UsageNow', 'KeyUsage', 'Problem'],
  ])('describes every field of %s', (name) => {
    const { properties = {} } = (document.components?.schemas?.[name] ?? {}) as SchemaObject;
    const fields = Object.entries(properties);
    expect(fields.filter(([, field]) => !('description' in field || '$ref' in field))).toEqual([]);
    expect(fields.length).toBeGreaterThan(3);
  });

  it('documents each workflow with the answers and headers of running any workflow', () => {
    const ofAny = document.paths?.['/workflows/{name}']?.post;
    const { parameters = [], responses } = document.paths?.['/workflows/text2img']?.post ?? {};
    expect(responses).toEqual(ofAny?.responses);
    const shared = (status: number) => ({ $ref: `#/components/responses/RunWorkflow${status}` });
    expect(responses).toMatchObject({ 202: shared(202), 415: shared(415), 429: shared(429) });
    expect(document.components?.responses).toMatchObject({ RunWorkflow202: { headers: { Location: {} } } });
    expect(parameters).toEqual(ofAny?.parameters?.filter((one) => !('in' in one && one.in === 'path')));
  });

  it('documents how to run each workflow with a form, with its files among the fields', () => {
    const { content = {} } = (document.paths?.['/workflows/img2img']?.post?.requestBody ?? {}) as RequestBodyObject;
    expect(content['multipart/form-data']).toMatchObject({
      schema: {
        allOf: [
          { $ref: '#/components/schemas/RunOptions' },
          { properties: { image: { format: 'binary' }, prompt: { type: 'string' }, inputs: { type: 'object' } } },
        ],
      },
      encoding: { inputs: { contentType: 'application/json' } },
    });
  });

  it('has only valid examples', () => {
    const ajv = formats.default(new Ajv2020({ strict: false }));
    ajv.addSchema(document, 'openapi');
    const bodies = operations().flatMap(({ path, verb, operation }) => {
      const { content = {} } = (operation.requestBody ?? {}) as { content?: Record<string, { examples?: object }> };
      const at = `openapi#/paths/${encodeURIComponent(path.replaceAll('/', '~1'))}/${verb}/requestBody/content/application~1json/schema`;
      return Object.entries(content['application/json']?.examples ?? {}).map(([name, { value }]) => ({
        at,
        name,
        value,
      }));
    });
    expect(bodies.length).toBeGreaterThan(4);
    for (const { at, name, value } of bodies) {
      const validate = ajv.getSchema(at);
      expect([name, validate?.(value), validate?.errors]).toEqual([name, true, null]);
    }
  });

  it('allows calls with and without a key when the service has no keys', () => {
    expect(document.paths?.['/livez']?.get?.security).toEqual([]);
    expect(document.paths?.['/fleet']?.get?.security).toEqual([{}, { bearer: [] }, { apiKey: [] }]);
    expect(document.paths?.['/images/{filename}']?.get?.security).toContainEqual({ signedUrl: [] });
  });

  it('names scopes in descriptions, because only OAuth schemes can have scopes in OpenAPI', () => {
    const requirements = operations().flatMap(({ operation }) => operation.security ?? []);
    expect(requirements.flatMap((requirement) => Object.values(requirement).flat())).toEqual([]);
    expect(document.paths?.['/fleet']?.get?.description).toMatch(/Needs a key with the scope `admin`\.$/);
    expect(document.paths?.['/graphs']?.post?.description).toMatch(/Needs a key with the scope `graphs`\.$/);
    expect(document.paths?.['/generate']?.post?.description).not.toContain('scope');
  });

  it('begins with POST /generate', () => {
    expect(Object.keys(document.paths ?? {})[0]).toBe('/generate');
  });

  it('has no defaults in named schemas, because openapi-typescript would make those fields required', () => {
    const { GenerateRequest, RefineRequest } = (document.components?.schemas ?? {}) as Record<string, SchemaObject>;
    for (const name of ['lod', 'count', 'priority'])
      expect(GenerateRequest?.properties?.[name]).not.toHaveProperty('default');
    expect(GenerateRequest?.properties?.lod).toMatchObject({ description: expect.stringMatching(/ Default: mid\.$/) });
    expect(RefineRequest?.properties?.index).not.toHaveProperty('default');
  });

  it('can be cached, and answers 304 while it has not changed', async () => {
    const first = await api.get('/openapi.json');
    const etag = first.headers.get('etag') ?? '';
    expect(first.headers.get('cache-control')).toContain('public');
    const again = await api.get('/openapi.json', { headers: { 'If-None-Match': etag } });
    expect([again.status, await again.text()]).toEqual([304, '']);
  });
});

describe('openapi.json of an API with keys', () => {
  let keyed: TestApi;
  beforeAll(async () => {
    const keys = [aKey('all'), aKey('painter', { workflows: ['text2*'] })];
    keyed = await startApi(inject('redisUrl'), { keys });
  });
  afterAll(() => keyed.close());

  const workflowsFor = async (init?: RequestInit) => {
    const answer = await keyed.get('/openapi.json', init);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('vary')).toContain('Authorization');
    const { paths } = (await answer.json()) as OpenAPIObject;
    return {
      generic: Object.hasOwn(paths ?? {}, '/workflows/{name}'),
      names: Object.keys(paths ?? {}).filter(isOfWorkflow),
    };
  };

  it('describes no workflow to a caller without a key, and lets shared caches keep the answer', async () => {
    expect(await workflowsFor()).toEqual({ generic: true, names: [] });
    const answer = await keyed.get('/openapi.json');
    expect(answer.headers.get('cache-control')).toContain('public');
  });

  it('describes to a key the workflows that it may run, and does not let shared caches keep the answer', async () => {
    expect(await workflowsFor(as('painter'))).toEqual({ generic: true, names: ['/workflows/text2img'] });
    expect((await workflowsFor(as('all'))).names).toEqual(expect.arrayContaining(['/workflows/img2img']));
    expect((await workflowsFor(as('painter'))).names).toEqual(['/workflows/text2img']);
    expect((await keyed.get('/openapi.json', as('all'))).headers.get('cache-control')).toContain('private');
  });

  it('is refused to an unknown key', async () => {
    const answer = await keyed.get('/openapi.json', as('nobody'));
    expect([answer.status, (await problemOf(answer)).code]).toEqual([401, 'unauthorized']);
  });

  it('agrees with all other lists: none names a workflow to a key that may not run it', async () => {
    for (const path of ['/workflows', '/v1/models', '/workflows/img2im']) {
      expect(await (await keyed.get(path, as('painter'))).text(), path).not.toContain('img2img');
    }
    expect(await (await keyed.get('/workflows/img2im', as('all'))).text()).toContain('img2img');
  });
});

describe('routes and document', () => {
  it('agree: every documented path is served, with the documented methods and no others', async () => {
    for (const { path, item } of Object.entries(document.paths ?? {}).map(([path, item]) => ({ path, item }))) {
      if (isOfWorkflow(path)) continue;
      const address = api.url + path.replaceAll(/\{\w+\}/g, NOBODY);
      for (const verb of VERBS) {
        const answer = await fetch(address, { method: verb.toUpperCase() });
        const { code } = (await answer.json().catch(() => ({}))) as { code?: string };
        const isServed = answer.status !== 405 && code !== 'not_found';
        expect([verb, path, isServed]).toEqual([verb, path, verb in item]);
      }
    }
    expect(operations().length).toBeGreaterThan(20);
  });
});

describe('documentCheck, which checks every answer in the tests', () => {
  const answer = (more: Partial<SentAnswer> & { json?: object }): SentAnswer => {
    const { json = { status: 'ok', reasons: [] }, ...rest } = more;
    const headers = { 'content-type': 'application/json; charset=utf-8', 'x-request-id': 'r' };
    return { method: 'GET', path: '/livez', status: 200, headers, body: Buffer.from(JSON.stringify(json)), ...rest };
  };

  it('accepts an answer that is documented', () => {
    expect(documentCheck(text)(answer({}))).toEqual([]);
  });

  it.each<[string, Partial<SentAnswer> & { json?: object }, RegExp]>([
    ['a status', { status: 418 }, /status 418 is not documented/],
    [
      'a content type',
      { headers: { 'content-type': 'text/plain', 'x-request-id': 'r' } },
      /"text\/plain" is not documented/,
    ],
    ['a field', { json: { status: 'ok', reasons: [], more: 1 } }, /additional properties/],
    ['a value', { json: { status: 'fine', reasons: [] } }, /allowed values/],
    ['a missing field', { json: { status: 'ok' } }, /required property 'reasons'/],
    ['a path', { path: '/nothing' }, /where nothing is documented/],
    ['a method', { method: 'PUT' }, /undocumented method/],
    [
      'a missing header',
      { path: '/', status: 302, headers: { 'x-request-id': 'r' }, body: Buffer.alloc(0) },
      /no header Location/,
    ],
    ['a body', { path: `/jobs/${NOBODY}`, method: 'DELETE', status: 204 }, /body where none/],
    [
      'a code',
      {
        path: `/jobs/${NOBODY}`,
        status: 404,
        headers: { 'content-type': 'application/problem+json' },
        json: { type: '', title: '', status: 404, detail: '', instance: '', code: 'image_not_found' },
      },
      /allowed values/,
    ],
    [
      'an event',
      {
        path: `/jobs/${NOBODY}/events`,
        headers: { 'content-type': 'text/event-stream' },
        body: Buffer.from('event: progress\nid: 1-0\ndata: {"fraction":"half"}\n\n'),
      },
      /must be number/,
    ],
  ])('finds %s that is not documented', (_what, more, fault) => {
    expect(documentCheck(text)(answer(more)).join('; ')).toMatch(fault);
  });
});

describe('/docs', () => {
  it('is a page that may load only its own files, all of which are served', async () => {
    const answer = await api.get('/docs');
    const page = await answer.text();
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(answer.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; script-src 'self'; style-src 'self';/,
    );
    const links = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link as string);
    const files = links.map((link) => new URL(link, answer.url).pathname);
    expect(files.length).toBe(5);
    expect(page).not.toMatch(/https?:/);
    for (const file of files) {
      const loaded = await api.get(file);
      expect([file, loaded.status, (await loaded.arrayBuffer()).byteLength > 100]).toEqual([file, 200, true]);
    }
  });

  it('answers 404 to every other file of the package, and lets no cache keep that', async () => {
    for (const name of ['package.json', '..%2Fpackage.json', 'constructor', 'index.js']) {
      const { status, headers } = await api.get(`/docs/${name}`);
      expect([name, status, headers.get('cache-control')]).toEqual([name, 404, 'no-store']);
    }
  });

  it('does not loosen the strict policy of other routes', async () => {
    expect((await api.get('/lods')).headers.get('content-security-policy')).toContain("default-src 'self'");
  });
});
