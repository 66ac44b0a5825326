import { type ApiKey, type ApiKeysFile, apiKeysFileSchema } from '@comfy-fleet/contracts';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { faultRule } from '../fault-rule.js';

const FORMS: Readonly<Record<string, string>> = {
  id: 'must have 1 to 64 characters, only a-z, 0-9, _ and -, and begin with a letter or a digit',
  sha256: 'must be 64 hexadecimal digits in lower case',
  'webhook.secrets': 'may only have secrets that are whsec_ and 24 to 64 bytes in base64',
};

/** An error in the keys file; "<field> <rule>" is a sentence. */
export interface ApiKeyFault {
  /** Index of the key; undefined: the error concerns the file. */
  readonly index: number | undefined;
  /** With dots, as in `limits.jobs_waiting`; empty: the whole key or file. */
  readonly field: string;
  readonly rule: string;
}

/** Compiled at its first use, because compiling takes far longer than validating. */
let validate: ValidateFunction<ApiKeysFile> | undefined;

/** Checks the content of a keys file. `keys` is empty when there are errors. */
export function checkApiKeys(value: unknown): { readonly keys: readonly ApiKey[]; readonly faults: ApiKeyFault[] } {
  // strictNumbers is Ajv's default and refuses NaN. The schema is ours, and checking it would take ten times as long as
  // compiling it.
  validate ??= new Ajv({ allErrors: true, strict: false, validateSchema: false }).compile(apiKeysFileSchema);
  if (!validate(value)) return { keys: [], faults: (validate.errors ?? []).map(toFault) };
  const faults = [...twins(value.keys, 'id'), ...twins(value.keys, 'sha256'), ...badUrls(value.keys)];
  return { keys: faults.length === 0 ? value.keys : [], faults };
}

function toFault(error: ErrorObject): ApiKeyFault {
  const { params, instancePath } = error;
  const path = [...instancePath.split('/').slice(1), params.missingProperty ?? params.additionalProperty ?? []].flat();
  const ofKey = path[0] === 'keys' && path.length > 1;
  // Errors of one item name its list.
  const field = (ofKey ? path.slice(2) : path).filter((part) => !/^\d+$/.test(part)).join('.');
  return { index: ofKey ? Number(path[1]) : undefined, field, rule: faultRule(error, field, FORMS) };
}

/** Two keys with one id would share jobs and limits; with one digest, only the first could be found. */
function twins(keys: readonly ApiKey[], field: 'id' | 'sha256'): ApiKeyFault[] {
  const first = new Map<string, number>();
  return keys.flatMap((key, index) => {
    const earlier = first.get(key[field]);
    if (earlier === undefined) first.set(key[field], index);
    return earlier === undefined ? [] : [{ index, field, rule: `is also that of key no. ${earlier + 1}` }];
  });
}

function badUrls(keys: readonly ApiKey[]): ApiKeyFault[] {
  return keys.flatMap(({ webhook }, index) =>
    webhook?.url === undefined || isHttp(webhook.url)
      ? []
      : [{ index, field: 'webhook.url', rule: 'must be an http:// or https:// address' }],
  );
}

function isHttp(url: string): boolean {
  return URL.canParse(url) && ['http:', 'https:'].includes(new URL(url).protocol);
}
