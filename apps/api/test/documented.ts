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
  /** The path without the query. */
  readonly path: string;
  readonly status: number;
  /** Headers by their names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined if the body was not recorded. */
  readonly body: Buffer | undefined;
}

/** Lists the differences between an answer and the document. */
export type DocumentCheck = (answer: SentAnswer) => string[];

const DIALECTS = [comfyuiDialect, comfyV2Dialect, openaiDialect];

const ANYTHING = {};
const CODE = { validateSchema: false, code: { optimize: false } };

/** Cached by document, because many tests start an API with the same one. */
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
  // ajv recognises a schema only by identity, and compiling one takes far longer than a check.
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
    const wrongCode = codes.includes(code ?? '')
      ? []
      : [`${answer.status} with the code ${code}, not ${codes.join(' or ')}`];
    return [...wrongCode, ...faults('/components/schemas/Problem', json)];
  };
  const header = (name: string, spec: HeaderObject, answer: SentAnswer): string[] => {
    const known = spec.$ref === undefined ? spec : document.components?.headers?.[spec.$ref.split('/').at(-1) ?? ''];
    const value = answer.headers[name.toLowerCase()];
    const { schema, required } = (known ?? {}) as HeaderObject;
    if (value === undefined) return required === true ? [`no header ${name}`] : [];
    // ajv writes the coerced value back, so it gets the value in its own object.
    return fitting(schema ?? ANYTHING)({ value }) ? [] : [`${name}: ${value} is not as documented`];
  };

  return (answer) => {
    const { method, path, status, headers } = answer;
    if (method === 'OPTIONS' && status === 204) return [];
    if (/^\/(admin\/queues|docs)(\/|$)/i.test(path)) return []; // pages for people, which the document does not list
    const undocumented = (right: number, code: string) => {
      // A malformed request, or one to another host, is refused before the path is looked up.
      const known: Readonly<Record<number, string>> = { 400: 'malformed_request', 421: 'wrong_host', [right]: code };
      const expected = known[status];
      return expected === undefined ? undefined : problem(answer, [expected]);
    };
    // The compatible APIs are documented elsewhere.
    if (dialectOf(DIALECTS, path) !== undefined && headers['content-type'] !== 'application/problem+json') return [];
    const verb = (method === 'HEAD' ? 'GET' : method).toLowerCase();
    const matching = operations.filter(({ pattern }) => pattern.test(path));
    // A workflow's own path has only POST; the generic path has the other methods.
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
  if (type !== '' && spec.content === undefined && body === undefined) return []; // a 304 has the content type of the file it stands for
  if (spec.content === undefined)
    return body === undefined || body.length === 0 ? [] : ['a body where none is documented'];
  const media = known[type] ?? known['*/*'];
  if (media === undefined) return [`the content type "${type}" is not documented`];
  if (body === undefined || method === 'HEAD') return [];
  if (type === 'text/event-stream') return eventFaults(body.toString(), media['x-events'] ?? {}, faults);
  if (media.schema === undefined) return body.length > 0 ? [] : ['no bytes'];
  return check(type, type.endsWith('json') ? parsed(body) : body.toString());
}

/** Checks the complete events of a stream. References to named schemas describe their data. */
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

/** Matches as the router does: in any case, with or without a slash at the end. */
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

/** The document with `additionalProperties: false` in every object schema that does not set it. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const parts = Object.fromEntries(Object.entries(value).map(([key, part]) => [key, closed(part)]));
  const isOpen = parts.type === 'object' && 'properties' in parts && !('additionalProperties' in parts);
  return isOpen ? { ...parts, additionalProperties: false } : parts;
}
