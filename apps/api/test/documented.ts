import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type {
  HeaderObject,
  OpenAPIObject,
  OperationObject,
  PathItemObject,
  ReferenceObject,
  ResponseObject,
} from 'openapi3-ts/oas31';
import { comfyV2Dialect } from '../src/facades/comfy-v2/dialect.js';
import { comfyuiDialect } from '../src/facades/comfyui/dialect.js';
import { openaiDialect } from '../src/facades/openai/dialect.js';
import { dialectOf } from '../src/server/problems.js';

/** An answer as it went over the wire. */
export interface SentAnswer {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined when there is none to look at. */
  readonly body: Buffer | undefined;
}

/** What an answer says that the document does not, or the other way round; empty: they agree. */
export type DocumentCheck = (answer: SentAnswer) => string[];

const DIALECTS = [comfyuiDialect, comfyV2Dialect, openaiDialect];

const ANYTHING = {};
const CODE = { validateSchema: false, code: { optimize: false } };

/** Of one document there is one check: tests start the API again and again. */
const checks = new Map<string, DocumentCheck>();

export function documentCheck(document: string): DocumentCheck {
  const known = checks.get(document) ?? createCheck(JSON.parse(document));
  checks.set(document, known);
  return known;
}

interface Operation {
  readonly pattern: RegExp;
  readonly path: string;
  readonly item: PathItemObject;
}

function createCheck(document: OpenAPIObject): DocumentCheck {
  const ajv = formats.default(new Ajv2020({ strict: false, allErrors: true, coerceTypes: false, ...CODE }));
  ajv.addSchema(closed(document) as object, 'openapi');
  const headerAjv = formats.default(new Ajv2020({ strict: false, coerceTypes: true, ...CODE }));
  const operations = Object.entries(document.paths ?? {})
    .map(([path, item]): Operation => ({ path, item, pattern: patternOf(path) }))
    .sort((a, b) => a.path.split('{').length - b.path.split('{').length);

  const faults = (pointer: string, value: unknown): string[] => {
    const validate = ajv.getSchema(`openapi#${pointer}`);
    if (validate === undefined) return [`no schema at ${pointer}`];
    return validate(value) ? [] : (validate.errors ?? []).map((error) => `${pointer} ${ajv.errorsText([error])}`);
  };
  // ajv knows a schema again by its identity alone, and compiling takes far longer than all else that is done here
  const compiled = new Map<object, ValidateFunction>();
  const fitting = (value: object): ValidateFunction => {
    const made = compiled.get(value) ?? headerAjv.compile({ type: 'object', properties: { value } });
    compiled.set(value, made);
    return made;
  };
  const problem = (answer: SentAnswer, codes: readonly string[]): string[] => {
    const json: unknown = answer.body === undefined ? undefined : parsed(answer.body);
    if (json === undefined) return [];
    const { code } = json as { code?: string };
    const told = codes.includes(code ?? '')
      ? []
      : [`${answer.status} with the code ${code}, not ${codes.join(' or ')}`];
    return [...told, ...faults('/components/schemas/Problem', json)];
  };
  const header = (name: string, spec: HeaderObject, answer: SentAnswer): string[] => {
    const known = spec.$ref === undefined ? spec : document.components?.headers?.[spec.$ref.split('/').at(-1) ?? ''];
    const value = answer.headers[name.toLowerCase()];
    if (value === undefined) return spec.required === true ? [`no header ${name}`] : [];
    const { schema } = (known ?? {}) as HeaderObject;
    // ajv changes what it coerces, so it gets the value in something of its own
    return fitting(schema ?? ANYTHING)({ value }) ? [] : [`${name}: ${value} is not as documented`];
  };

  return (answer) => {
    const { method, path, status, headers } = answer;
    if (method === 'OPTIONS' && status === 204) return [];
    if (/^\/(admin\/queues|docs)(\/|$)/i.test(path)) return []; // pages for people, with addresses of their own
    const undocumented = (right: number, code: string) => {
      // what cannot be read at all, or is asked of another host, cannot be told from other addresses
      const known: Readonly<Record<number, string>> = { 400: 'malformed_request', 421: 'wrong_host', [right]: code };
      const expected = known[status];
      return expected === undefined ? undefined : problem(answer, [expected]);
    };
    // Other people's APIs have documents of their own.
    if (dialectOf(DIALECTS, path) !== undefined && headers['content-type'] !== 'application/problem+json') return [];
    const verb = (method === 'HEAD' ? 'GET' : method).toLowerCase();
    const matching = operations.filter(({ pattern }) => pattern.test(path));
    // A workflow's own path has only what is its own.
    const isOfWorkflow = /^\/workflows\//i.test(path);
    const operation = (isOfWorkflow && matching.find(({ item }) => verb in item)) || matching[0];
    if (operation === undefined) {
      return undocumented(404, 'not_found') ?? [`${status} where nothing is documented`];
    }
    const described = operation.item[verb as 'get'] as OperationObject | undefined;
    if (described === undefined) {
      const allow = status === 405 && headers.allow === undefined ? ['no header Allow'] : [];
      return [...allow, ...(undocumented(405, 'method_not_allowed') ?? [`${status} of an undocumented method`])];
    }
    const inline = described.responses?.[`${status}`] as ResponseObject | ReferenceObject | undefined;
    const shared = inline && '$ref' in inline ? inline.$ref.split('/').at(-1) : undefined;
    const spec = (shared === undefined ? inline : document.components?.responses?.[shared]) as
      | ResponseObject
      | undefined;
    if (spec === undefined) return [`the status ${status} is not documented: ${answer.body?.toString().slice(0, 300)}`];
    const absent = Object.entries(spec.headers ?? {}).flatMap(([name, known]) =>
      header(name, known as HeaderObject, answer),
    );
    const at =
      shared === undefined
        ? `/paths/${pointerPart(operation.path)}/${verb}/responses/${status}/content`
        : `/components/responses/${shared}/content`;
    return [
      ...absent,
      ...bodyFaults(spec, answer, (type, value) => faults(`${at}/${pointerPart(type)}/schema`, value), faults),
    ];
  };
}

function bodyFaults(
  spec: ResponseObject,
  { method, headers, body }: SentAnswer,
  check: (type: string, value: unknown) => string[],
  faults: (pointer: string, value: unknown) => string[],
): string[] {
  const type = (headers['content-type'] ?? '').split(';', 1)[0] ?? '';
  const known = spec.content ?? {};
  if (type !== '' && spec.content === undefined && body === undefined) return []; // a 304 names the type it would have
  if (spec.content === undefined)
    return body === undefined || body.length === 0 ? [] : ['a body where none is documented'];
  const media = known[type] ?? known['*/*'];
  if (media === undefined) return [`the content type "${type}" is not documented`];
  if (body === undefined || method === 'HEAD') return [];
  if (type === 'text/event-stream') return eventFaults(body.toString(), media['x-events'] ?? {}, faults);
  if (media.schema === undefined) return body.length > 0 ? [] : ['no bytes'];
  return check(type, type.endsWith('json') ? parsed(body) : body.toString());
}

/** Looks at the events that are whole. Their data is described by references to named schemas. */
function eventFaults(
  text: string,
  events: Readonly<Record<string, { $ref?: string }>>,
  faults: (pointer: string, value: unknown) => string[],
): string[] {
  const blocks = text
    .split('\n\n')
    .slice(0, -1)
    .filter((block) => block.startsWith('event: '));
  return blocks.flatMap((block) => {
    const [, name = '', data = ''] = /^event: (.*)\n(?:id: .*\n)?data: (.*)$/.exec(block) ?? [];
    const schema = events[name]?.$ref;
    return schema === undefined ? [`the event "${name}" is not documented`] : faults(schema.slice(1), JSON.parse(data));
  });
}

/** Matches as the router does: any case, a slash more at the end. */
function patternOf(path: string): RegExp {
  const source = path.replaceAll(/[.]/g, '\\.').replaceAll(/\{\w+\}/g, '[^/]+');
  return new RegExp(`^${source}/?$`, 'i');
}

function pointerPart(text: string): string {
  return encodeURIComponent(text.replaceAll('~', '~0').replaceAll('/', '~1'));
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return `no JSON: ${body.toString().slice(0, 200)}`;
  }
}

/** The same document with objects that may have no other fields than those it names. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const parts = Object.fromEntries(Object.entries(value).map(([key, part]) => [key, closed(part)]));
  const isOpen = parts.type === 'object' && 'properties' in parts && !('additionalProperties' in parts);
  return isOpen ? { ...parts, additionalProperties: false } : parts;
}
