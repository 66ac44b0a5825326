import { type Command, Option } from 'commander';
import { suggestNames, UsageError } from '../command.js';

interface Field {
  /** As the API names it. */
  readonly name: string;
  readonly value: string;
  readonly help: string;
  read(text: string, name: string): unknown;
}

const text = (given: string) => given;
const number = (given: string, name: string) => {
  if (given.trim() === '' || !Number.isFinite(Number(given)))
    throw new UsageError(`${name} must be a number, not ${given}.`);
  return Number(given);
};

export const LODS = ['sketch', 'mid', 'final', 'direct_final'] as const;

/** Fields that requests of all kinds share. */
const COMMON: readonly Field[] = [
  { name: 'lod', value: 'level', help: 'level of detail', read: text },
  { name: 'priority', value: 'n', help: 'higher runs first among your own jobs', read: number },
  { name: 'start_within_seconds', value: 'n', help: 'the job expires if it has not started by then', read: number },
  { name: 'webhook_url', value: 'url', help: 'called when the job ends', read: text },
];

const PICTURE: readonly Field[] = [
  { name: 'negative_prompt', value: 'text', help: 'what the picture must not show', read: text },
  { name: 'steps', value: 'n', help: 'sampling steps', read: number },
  { name: 'cfg', value: 'x', help: 'how closely the prompt is followed', read: number },
  { name: 'sampler', value: 'sampler', help: 'a sampler, as ComfyUI names it', read: text },
  { name: 'scheduler', value: 'scheduler', help: 'a scheduler, as ComfyUI names it', read: text },
  { name: 'seed', value: 'n', help: '0 to 2^64−1, random by default', read: text },
  { name: 'width', value: 'pixels', help: 'width, a multiple of 8', read: number },
  { name: 'height', value: 'pixels', help: 'height, a multiple of 8', read: number },
  { name: 'count', value: 'n', help: 'number of pictures', read: number },
  { name: 'checkpoint', value: 'checkpoint', help: 'a checkpoint, as ComfyUI lists it', read: text },
];
const DENOISE: Field = { name: 'denoise', value: 'x', help: 'how much changes: 0 keeps the picture', read: number };
const IMAGE: Field = { name: 'image', value: 'file', help: 'the picture to start from', read: text };
const PROMPT: Field = { name: 'prompt', value: 'text', help: 'what the picture shows', read: text };

export type RequestKind = 'generate' | 'img2img' | 'run';

const FIELDS: Readonly<Record<RequestKind, readonly Field[]>> = {
  generate: [...PICTURE, ...COMMON],
  img2img: [DENOISE, ...PICTURE, ...COMMON],
  run: COMMON,
};

const dashed = (name: string) => name.replaceAll('_', '-');
const camel = (name: string) => name.replace(/_(\w)/g, (_all, letter: string) => letter.toUpperCase());

/** Adds an option for each field, and --metadata. */
export function addRequestOptions(command: Command, kind: RequestKind): Command {
  for (const { name, value, help } of FIELDS[kind]) {
    const option = command.createOption(`--${dashed(name)} <${value}>`, help);
    command.addOption(name === 'lod' ? option.choices([...LODS]) : option);
  }
  return command.addOption(pairsOption('--metadata <name=value>', 'your own metadata, kept with the job'));
}

/** The request fields that a command's options set, as the API takes them. Throws a UsageError. */
export function fieldsOf(kind: RequestKind, options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const { name, read } of FIELDS[kind]) {
    const given = options[camel(name)];
    if (typeof given === 'string') fields[name] = read(given, `--${dashed(name)}`);
  }
  const metadata = options.metadata as Readonly<Record<string, string>>;
  return Object.keys(metadata).length === 0 ? fields : { ...fields, metadata };
}

/** Merges two sets of fields; the second wins. */
export function mergeFields<Fields extends Readonly<Record<string, unknown>>>(first: Fields, second: Fields): Fields {
  const metadata = { ...(first.metadata as object), ...(second.metadata as object) };
  return { ...first, ...second, ...(Object.keys(metadata).length === 0 ? {} : { metadata }) };
}

/**
 * The request fields that a row of a file sets. A .jsonl row has the API's own fields; a .csv row has texts by column, and
 * a column `metadata.shelf` sets that metadata. Throws a UsageError.
 */
export async function rowFields(
  kind: 'generate' | 'img2img',
  row: Readonly<Record<string, unknown>>,
  format: 'csv' | 'jsonl',
): Promise<Record<string, unknown>> {
  if (format === 'jsonl') return { ...row };
  const known = [PROMPT, ...(kind === 'img2img' ? [IMAGE] : []), ...FIELDS[kind]];
  const fields: Record<string, unknown> = {};
  const metadata: Record<string, string> = {};
  for (const [column, cell] of Object.entries(row as Readonly<Record<string, string>>)) {
    const field = known.find(({ name }) => name === column);
    if (column.startsWith('metadata.')) metadata[column.slice('metadata.'.length)] = cell;
    else if (field !== undefined) fields[column] = field.read(cell, column);
    else {
      const names = [...known.map(({ name }) => name), 'metadata.<name>'];
      throw new UsageError(`There is no field ${column} for a column${await suggestNames(column, names)}`);
    }
  }
  return Object.keys(metadata).length === 0 ? fields : { ...fields, metadata };
}

/** A repeatable option that collects `name=value` pairs. */
export function pairsOption(flags: string, help: string): Option {
  return new Option(flags, `${help} (repeatable)`).argParser(pairs).default({}, 'none');
}

/** Throws a UsageError. */
function pairs(given: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const cut = given.indexOf('=');
  if (cut < 1) throw new UsageError(`${given} is not name=value.`);
  return { ...before, [given.slice(0, cut)]: given.slice(cut + 1) };
}
