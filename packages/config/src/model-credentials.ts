import { Ajv, type ErrorObject } from 'ajv';
import Type, { type Static } from 'typebox';
import { faultRule } from './fault-rule.js';
import { headerValue, isHeaderName } from './instances/parse-instances.js';
import { parseYaml, type SecretValue, secretValue, type ValueSources } from './secrets-file.js';

const secrets = Type.Record(Type.String(), Type.Unknown(), { minProperties: 1 });

const entrySchema = Type.Object(
  {
    url: Type.String({ pattern: '^(https?|s3)://(\\*\\.)?[^\\s/?#@*]+(/[^\\s?#*]*)?\\*?$' }),
    header: Type.Optional(secrets),
    query: Type.Optional(secrets),
    basic: Type.Optional(
      Type.Object({ user: Type.Unknown(), password: Type.Unknown() }, { additionalProperties: false }),
    ),
    s3: Type.Optional(
      Type.Object(
        {
          access_key_id: Type.Optional(Type.Unknown()),
          secret_access_key: Type.Optional(Type.Unknown()),
          session_token: Type.Optional(Type.Unknown()),
          region: Type.Optional(Type.String()),
          endpoint: Type.Optional(Type.String({ pattern: '^https?://[^\\s/?#@]+/?$' })),
          path_style: Type.Optional(Type.Boolean()),
        },
        { additionalProperties: false },
      ),
    ),
    callers: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);

/** The content of MODEL_CREDENTIALS_FILE. */
const fileSchema = Type.Object({ credentials: Type.Array(entrySchema) }, { additionalProperties: false });

type Entry = Static<typeof entrySchema>;

const FORMS: Readonly<Record<string, string>> = {
  url: 'must be the beginning of an http://, https:// or s3:// URL, such as https://huggingface.co/ or https://*.example.com/models/',
  's3.endpoint': 'must be an http:// or https:// address without a path',
};

/** How to reach the buckets of an entry. */
export interface ModelBucket {
  /** Undefined: those of the machine, as the AWS SDK finds them. */
  readonly credentials:
    | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }
    | undefined;
  readonly region: string;
  /** Undefined: AWS's endpoint of the region. */
  readonly endpoint: string | undefined;
  readonly pathStyle: boolean;
}

/** What to send to the sources of models that an entry names. All values are secrets. */
export interface ModelCredential {
  /** Scheme, host and port, and the beginning of the path; the host may begin with `*.`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly s3: ModelBucket | undefined;
  /** Also used for URLs that callers give. */
  readonly callers: boolean;
}

/** Parses the text of MODEL_CREDENTIALS_FILE, JSON or YAML. Faults are sentences that show no secret. */
export function parseModelCredentials(
  text: string,
  sources: ValueSources,
): { readonly credentials: readonly ModelCredential[]; readonly faults: readonly string[] } {
  const { value, fault } = parseYaml(text);
  if (fault !== undefined) return { credentials: [], faults: [fault] };
  const validate = new Ajv({ allErrors: true, strict: false, validateSchema: false }).compile<{
    credentials: Entry[];
  }>(fileSchema);
  if (!validate(value)) return { credentials: [], faults: (validate.errors ?? []).map(shapeFault) };
  const faults: string[] = [];
  const credentials = value.credentials.map((entry, index) =>
    readEntry(entry, sources, (field, about) => faults.push(`credentials no. ${index + 1}: ${field} ${about}`)),
  );
  return { credentials, faults };
}

function readEntry(
  { url, header = {}, query = {}, basic, s3, callers = false }: Entry,
  sources: ValueSources,
  report: (field: string, fault: string) => void,
): ModelCredential {
  const isS3 = url.startsWith('s3:');
  if (isS3 !== (s3 !== undefined)) report('url', isS3 ? 'needs s3' : 'must begin with s3:// to have s3');
  const take = (field: string, read: SecretValue) => {
    if ('value' in read) return read.value;
    report(field, read.fault);
    return '';
  };
  const headers = Object.entries(header).map(([name, given]) => {
    if (!isHeaderName(name)) report('header', 'has a key that is not a valid header name');
    return [name, take(`header.${name}`, headerValue(name, given, sources))];
  });
  if (basic !== undefined) {
    const user = take('basic.user', secretValue(basic.user, sources));
    const password = take('basic.password', secretValue(basic.password, sources));
    headers.push(['Authorization', `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`]);
  }
  return {
    url: url.replace(/\*$/, ''),
    headers: Object.fromEntries(headers),
    query: Object.fromEntries(
      Object.entries(query).map(([name, given]) => [name, take(`query.${name}`, secretValue(given, sources))]),
    ),
    s3: s3 && readBucket(s3, (field, given) => take(`s3.${field}`, secretValue(given, sources))),
    callers,
  };
}

function readBucket(s3: NonNullable<Entry['s3']>, take: (field: string, given: unknown) => string): ModelBucket {
  const { access_key_id, secret_access_key, session_token, region = 'us-east-1', endpoint, path_style = false } = s3;
  const hasKeys = access_key_id !== undefined || secret_access_key !== undefined;
  const keys = () => ({
    accessKeyId: take('access_key_id', access_key_id),
    secretAccessKey: take('secret_access_key', secret_access_key),
    ...(session_token === undefined ? {} : { sessionToken: take('session_token', session_token) }),
  });
  return { credentials: hasKeys ? keys() : undefined, region, endpoint, pathStyle: path_style };
}

function shapeFault(error: ErrorObject): string {
  const { params, instancePath } = error;
  const path = [...instancePath.split('/').slice(1), params.missingProperty ?? params.additionalProperty ?? []].flat();
  if (path[0] !== 'credentials' || path.length < 2)
    return `${path.join('.') || 'the file'} ${faultRule(error, '', {})}`;
  const field = path.slice(2).join('.');
  return `credentials no. ${Number(path[1]) + 1}: ${field || 'it'} ${faultRule(error, field, FORMS)}`;
}
