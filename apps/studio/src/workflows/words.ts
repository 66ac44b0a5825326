import type { Workflow } from '@comfy-fleet/client';

type Found = Workflow['found'][number];

/** Names of the rules by which inputs are found. */
export const RULE_NAMES: Readonly<Record<Found['rule'], string>> = {
  inputs_file: 'named here',
  bindings_file: 'by bindings file',
  title: 'by node title',
  app_mode: 'by App mode',
  wiring: 'by class and wiring',
};

export const RULE_HINTS: Readonly<Record<Found['rule'], string>> = {
  inputs_file: 'The inputs file, which this page writes, names it.',
  bindings_file: 'The bindings file names it.',
  title: 'A node has the title input:… in ComfyUI.',
  app_mode: 'Its author shows it in ComfyUI’s App mode.',
  wiring: 'The nodes and their connections show it.',
};

/** `prompt of “Positive” (node 6, CLIPTextEncode)` */
export function placesOf({ places }: Found): string {
  return places.map(({ widget, node }) => `${widget} of ${node}`).join('; ');
}

const DIGITS = 10;

/** Enough of a hash to tell versions apart. */
export function shortVersion(version: string): string {
  return version.slice(0, DIGITS);
}

/** Who published it; empty if the fleet has no keys. */
export function publisherOf(by: string | null): string {
  return by === null || by === 'anonymous' ? '' : ` by ${by}`;
}

const FILES: Readonly<Record<string, string>> = {
  'image/*': 'picture',
  'video/*': 'video',
  'audio/*': 'sound',
  'application/octet-stream': 'file',
};
const MOST_OPTIONS = 4;

/** The type of an input: `whole number, 1 to 10000`. */
export function typeOf(schema: Readonly<Record<string, unknown>>): string {
  const { type, contentMediaType, enum: options, minimum, maximum } = schema;
  if (Array.isArray(type)) return 'seed';
  const file = FILES[String(contentMediaType)];
  if (file !== undefined) return file;
  if (Array.isArray(options)) {
    if (options.length > MOST_OPTIONS) return `one of ${options.length} options`;
    return options.length === 1 ? `only ${options[0]}` : `one of ${options.map(String).join(', ')}`;
  }
  const plain = { integer: 'whole number', number: 'number', boolean: 'yes or no' }[String(type)] ?? 'text';
  if (minimum === undefined && maximum === undefined) return plain;
  if (maximum === undefined) return `${plain}, at least ${minimum}`;
  return minimum === undefined ? `${plain}, at most ${maximum}` : `${plain}, ${minimum} to ${maximum}`;
}

/** A value for people. */
export function shownValue(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (value === '') return 'empty';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.map(shownValue).join('; ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

const CHANGE_LABELS: Readonly<Record<string, string>> = {
  places: 'place',
  'x-multiline': 'several lines',
  contentMediaType: 'kind of file',
  deadline_seconds: 'longest execution, s',
};

/** The label of a changed property. */
export function changeLabel(what: string): string {
  return CHANGE_LABELS[what] ?? what.replaceAll('_', ' ');
}
