import { resolve } from 'node:path';
import { POOL_PATTERN } from '@comfy-fleet/contracts';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { Static } from 'typebox';
import Type from 'typebox';
import { faultRule } from '../fault-rule.js';
import { parseYaml, type SecretValue, secretValue, type ValueSources } from '../secrets-file.js';

/** Headers are checked by `headerValue`, whose messages are more precise. */
const instanceSchema = Type.Object(
  {
    name: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' })),
    url: Type.String({ pattern: '^https?://[^\\s/?#@]+(/[^\\s?#]*)?$' }),
    headers: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    output_dir: Type.Optional(Type.String({ minLength: 1 })),
    input_dir: Type.Optional(Type.String({ minLength: 1 })),
    temp_dir: Type.Optional(Type.String({ minLength: 1 })),
    models_dir: Type.Optional(Type.String({ minLength: 1 })),
    pools: Type.Optional(Type.Array(Type.String({ pattern: POOL_PATTERN }), { minItems: 1, uniqueItems: true })),
  },
  { additionalProperties: false },
);

/** The content of COMFYUI_INSTANCES_FILE. */
const instancesFileSchema = Type.Object(
  { instances: Type.Array(instanceSchema, { minItems: 1 }) },
  { additionalProperties: false },
);

export type InstanceEntry = Static<typeof instanceSchema>;

/** Rules of fields with a pattern, for `faultRule`. */
const INSTANCE_FORMS: Readonly<Record<string, string>> = {
  name: 'must have 1 to 64 characters, only A-Z a-z 0-9 . _ and -, and begin with a letter or a digit',
  url: 'must be an http:// or https:// address without user, password and query; put credentials into headers',
  pools: 'may only have names of up to 32 characters, a-z 0-9 and -',
};

/** ComfyUI's folders as paths on this machine; undefined if it cannot access them. */
export interface InstanceFolders {
  readonly output: string | undefined;
  readonly input: string | undefined;
  readonly temp: string | undefined;
}

/** One ComfyUI of a worker. */
export interface InstanceSettings {
  /** Its configured name, else its number from 1; unique within the worker. */
  readonly name: string;
  /** Without a trailing slash. */
  readonly url: string;
  /** Sent with every request and by the socket. Their values are secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly folders: InstanceFolders;
  /** Its folder of models, if the worker may fetch models into it. */
  readonly modelsDir?: string | undefined;
  /** The pools whose jobs it takes; at least one. */
  readonly pools: readonly string[];
}

interface Parsed {
  /** Empty when there are errors. */
  readonly instances: readonly InstanceSettings[];
  /** Sentences that name the entry and the field, and show no secret. */
  readonly faults: readonly string[];
}

interface Surroundings extends ValueSources {
  /** The pools of instances that name none. */
  readonly pools: readonly string[];
  /** The folder of models of instances that name none. */
  readonly modelsDir: string | undefined;
}

/** Compiled at its first use, because compiling takes far longer than validating. */
let validate: ValidateFunction<{ instances: InstanceEntry[] }> | undefined;

/** Parses the text of an instances file, JSON or YAML. */
export function parseInstances(text: string, surroundings: Surroundings): Parsed {
  const { value, fault } = parseYaml(text);
  if (fault !== undefined) return failed([fault]);
  if (Array.isArray(value)) return failed(['the list must be under a key: instances:']);
  // The schema is ours, and checking it would take ten times as long as compiling it.
  validate ??= new Ajv({ allErrors: true, strict: false, validateSchema: false }).compile(instancesFileSchema);
  if (!validate(value)) return failed((validate.errors ?? []).map((error) => shapeFault(error, value)));
  const faults: string[] = [];
  const instances = value.instances.map((entry, index): InstanceSettings => {
    const headers = Object.entries(entry.headers ?? {}).flatMap(([name, given]) => {
      if (!isHeaderName(name)) {
        faults.push(`${labelOf(entry, index)}: headers has a key that is not a valid header name`);
        return [];
      }
      const read = headerValue(name, given, surroundings);
      if ('value' in read) return [[name, read.value] as const];
      faults.push(`${labelOf(entry, index)}: headers.${name} ${read.fault}`);
      return [];
    });
    const folder = (path: string | undefined) => (path === undefined ? undefined : resolve(surroundings.dir, path));
    return {
      name: entry.name ?? `${index + 1}`,
      url: entry.url.replace(/\/+$/, ''),
      headers: Object.fromEntries(headers),
      folders: {
        output: folder(entry.output_dir),
        input: folder(entry.input_dir),
        temp: folder(entry.temp_dir),
      },
      modelsDir: folder(entry.models_dir) ?? surroundings.modelsDir,
      pools: entry.pools ?? surroundings.pools,
    };
  });
  faults.push(...twins(instances));
  return faults.length > 0 ? failed(faults) : { instances, faults };
}

function failed(faults: readonly string[]): Parsed {
  return { instances: [], faults };
}

function shapeFault(error: ErrorObject, value: unknown): string {
  const { params, instancePath } = error;
  const path = [...instancePath.split('/').slice(1), params.missingProperty ?? params.additionalProperty ?? []].flat();
  const isOfEntry = path[0] === 'instances' && path.length > 1;
  // Errors of one pool name the list.
  const field = (isOfEntry ? path.slice(2) : path).filter((part) => !/^\d+$/.test(part)).join('.');
  const rule = faultRule(error, field, INSTANCE_FORMS);
  if (!isOfEntry) return `${field === '' ? 'the file' : field} ${rule}`;
  const index = Number(path[1]);
  const entry = (value as { instances: unknown[] }).instances[index];
  return `${labelOf(entry, index)}: ${field === '' ? 'it' : field} ${rule}`;
}

function labelOf(entry: unknown, index: number): string {
  const name = typeof entry === 'object' && entry !== null && 'name' in entry ? entry.name : undefined;
  return typeof name === 'string' ? `instance no. ${index + 1} (${name})` : `instance no. ${index + 1}`;
}

/**
 * Two instances with one name could not be distinguished; two with one address and the same headers would be one GPU,
 * driven as two.
 */
function twins(instances: readonly InstanceSettings[]): string[] {
  const wayIn = ({ url, headers }: InstanceSettings) => JSON.stringify([url, headers]);
  return instances.flatMap((instance, index) => {
    const before = instances.slice(0, index);
    const label = labelOf(instance, index);
    const namesake = before.findIndex(({ name }) => name === instance.name);
    const same = before.findIndex((other) => wayIn(other) === wayIn(instance));
    return [
      ...(namesake < 0 ? [] : [`${label}: its name is also that of no. ${namesake + 1}`]),
      ...(same < 0 ? [] : [`${label}: its url is also that of no. ${same + 1}; one GPU would be driven as two`]),
    ];
  });
}

/** An invalid name is not shown in errors, because it may include the value. */
export const isHeaderName = (name: string): boolean => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name);

/** Headers that HTTP and the client set. */
const TAKEN =
  /^(connection|content-length|content-type|expect|host|keep-alive|te|trailer|transfer-encoding|upgrade|sec-websocket-.*)$/i;

/** Reads a header: text, or a file or environment variable, after an optional `prefix`. */
export function headerValue(name: string, given: unknown, sources: ValueSources): SecretValue {
  if (TAKEN.test(name)) return { fault: 'is set automatically; leave it out' };
  return secretValue(given, sources);
}
