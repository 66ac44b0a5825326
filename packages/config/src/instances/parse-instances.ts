import { resolve } from 'node:path';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { parseDocument } from 'yaml';
import { faultRule } from '../fault-rule.js';
import { headerValue, isHeaderName, type ValueSources } from './header-value.js';
import { INSTANCE_FORMS, type InstanceEntry, instancesFileSchema } from './instances-schema.js';

/** ComfyUI's folders as this machine sees them; undefined where it does not see that disk. */
export interface InstanceFolders {
  readonly output: string | undefined;
  readonly input: string | undefined;
  readonly temp: string | undefined;
}

/** One ComfyUI that a worker is to drive. */
export interface InstanceSettings {
  /** Its own, else its number, from 1; unique within its worker. */
  readonly name: string;
  /** Without a slash at its end. */
  readonly url: string;
  /** Go with every request and with the socket. Their values are secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly folders: InstanceFolders;
  /** Whose jobs it takes; at least one. */
  readonly pools: readonly string[];
}

interface Parsed {
  /** Empty when there are faults. */
  readonly instances: readonly InstanceSettings[];
  /** Sentences that name entry and field, and no secret. */
  readonly faults: readonly string[];
}

interface Surroundings extends ValueSources {
  /** Of instances that name none. */
  readonly pools: readonly string[];
}

/** Compiled at its first use: that takes far longer than to validate. */
let validate: ValidateFunction<{ instances: InstanceEntry[] }> | undefined;

/** Reads the text of an instances file, JSON or YAML. */
export function parseInstances(text: string, surroundings: Surroundings): Parsed {
  const { value, fault } = parseYaml(text);
  if (fault !== undefined) return failed([fault]);
  if (Array.isArray(value)) return failed(['the list must be under a key: instances:']);
  // The schema is ours: to check that it is one would take Ajv ten times as long as to compile it.
  validate ??= new Ajv({ allErrors: true, strict: false, validateSchema: false }).compile(instancesFileSchema);
  if (!validate(value)) return failed((validate.errors ?? []).map((error) => shapeFault(error, value)));
  const faults: string[] = [];
  const instances = value.instances.map((entry, index): InstanceSettings => {
    const headers = Object.entries(entry.headers ?? {}).flatMap(([name, given]) => {
      if (!isHeaderName(name)) {
        faults.push(`${labelOf(entry, index)}: headers has a key that cannot be the name of a header`);
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
      pools: entry.pools ?? surroundings.pools,
    };
  });
  faults.push(...twins(instances));
  return faults.length > 0 ? failed(faults) : { instances, faults };
}

function failed(faults: readonly string[]): Parsed {
  return { instances: [], faults };
}

/** JSON is YAML. The parser's own words may quote a piece of the file, perhaps a secret: it names only the place. */
function parseYaml(text: string): { readonly value?: unknown; readonly fault?: string } {
  const document = parseDocument(text.replace(/^\uFEFF/, ''));
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined) {
    const [start] = error.linePos ?? [];
    const place = start === undefined ? '' : ` in line ${start.line}, column ${start.col}`;
    return { fault: `is neither valid JSON nor valid YAML (${error.code}${place})` };
  }
  try {
    return { value: document.toJS() };
  } catch {
    return { fault: 'is not valid YAML (an alias leads nowhere, or to too much)' };
  }
}

function shapeFault(error: ErrorObject, value: unknown): string {
  const { params, instancePath } = error;
  const path = [...instancePath.split('/').slice(1), params.missingProperty ?? params.additionalProperty ?? []].flat();
  const isOfEntry = path[0] === 'instances' && path.length > 1;
  // What is wrong with one pool is said of their list.
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

/** Two of one name could not be told apart; two of one address and one way in would be one GPU, driven as two. */
function twins(instances: readonly InstanceSettings[]): string[] {
  const wayIn = ({ url, headers }: InstanceSettings) => JSON.stringify([url, headers]);
  return instances.flatMap((instance, index) => {
    const before = instances.slice(0, index);
    const label = labelOf(instance, index);
    const namesake = before.findIndex(({ name }) => name === instance.name);
    const same = before.findIndex((other) => wayIn(other) === wayIn(instance));
    return [
      ...(namesake < 0 ? [] : [`${label}: its name is that of no. ${namesake + 1} already`]),
      ...(same < 0 ? [] : [`${label}: url is that of no. ${same + 1} already; one GPU would be driven as two`]),
    ];
  });
}
