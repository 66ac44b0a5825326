import type { Abilities } from '@comfy-fleet/contracts';
import { reviewedFile } from '../nodes/node-table.js';
import { isRecord } from '../read-graph.js';

/** The form of names under which workers upload inputs: a list that contains one lists uploads. */
const OUR_UPLOAD = /^[0-9a-f]{64}\.\w+$/;
/** Lists of folders with people's files; ComfyUI looks up their names whether or not they are listed. */
const FOLDERS = /^Load(\w*FromFolder(Node)?|TrainingDataset)$/;

/**
 * The inputs of a node class for which ComfyUI refuses anything but the listed options. Excludes inputs for which it
 * may accept more: lists of uploaded files and folders, options from the graph itself or from elsewhere, and options
 * that are not strings.
 */
export function choicesOf(className: string, description: unknown): Abilities[string] {
  const choices: Record<string, readonly string[]> = {};
  for (const [input, described] of inputsOf(description)) {
    const options = optionsOf(described);
    if (!isListOfTexts(options)) continue;
    if (isOpenChoice(className, input, described)) continue;
    choices[input] = options;
  }
  return choices;
}

/** The description of a node class without lists of files, which change with each upload. */
export function withoutFileLists(className: string, description: unknown): unknown {
  return changeInputs(description, (input, described) =>
    listsFiles(className, input, described) ? emptied(described) : described,
  );
}

/** Returns the options that an input offers instead of these; the same list if nothing changes. */
export type ChangeOptions = (input: string, options: readonly string[]) => readonly string[];

/** The description of a node class with changed options; only those are changed that `choicesOf` returns. */
export function withOptions(className: string, description: unknown, change: ChangeOptions): unknown {
  return changeInputs(description, (input, described) => {
    const options = optionsOf(described);
    if (!isListOfTexts(options) || isOpenChoice(className, input, described)) return described;
    const changed = change(input, options);
    return changed === options ? described : offering(described, changed);
  });
}

/** The description of an input that offers these options instead, and no default that is none of them. */
function offering(described: unknown, options: readonly string[]): unknown {
  const [type] = described as readonly unknown[];
  const { default: preset, ...config } = configOf(described as readonly unknown[]);
  const more = options.includes(preset as string) ? { ...config, default: preset } : config;
  return type === 'COMBO' ? [type, { ...more, options }] : [options, more];
}

function isListOfTexts(options: readonly unknown[] | undefined): options is readonly string[] {
  return options?.every((option) => typeof option === 'string') === true;
}

/** The description with changed inputs; itself if `change` returns all of them as they are. */
function changeInputs(description: unknown, change: (input: string, described: unknown) => unknown): unknown {
  const isChanged = inputsOf(description).some(([input, described]) => change(input, described) !== described);
  if (!isChanged || !isRecord(description) || !isRecord(description.input)) return description;
  const inputs: Record<string, unknown> = { ...description.input };
  for (const name of SECTIONS) {
    const section = inputs[name];
    if (!isRecord(section)) continue;
    inputs[name] = Object.fromEntries(
      Object.entries(section).map(([input, described]) => [input, change(input, described)]),
    );
  }
  return { ...description, input: inputs };
}

const SECTIONS = ['required', 'optional'] as const;

function inputsOf(description: unknown): [string, unknown][] {
  const input = isRecord(description) ? description.input : undefined;
  if (!isRecord(input)) return [];
  return SECTIONS.flatMap((name) => Object.entries(isRecord(input[name]) ? input[name] : {}));
}

/** Reads both forms of options: `[[…], {}]` and `["COMBO", {options}]`; undefined for other inputs. */
function optionsOf(described: unknown): readonly unknown[] | undefined {
  if (!Array.isArray(described)) return undefined;
  const [type] = described;
  const options = type === 'COMBO' ? configOf(described).options : type;
  return Array.isArray(options) ? options : undefined;
}

function configOf(described: readonly unknown[]): Record<string, unknown> {
  return isRecord(described[1]) ? described[1] : {};
}

/** Whether ComfyUI may accept more at an input than its description lists. */
export function isOpenChoice(className: string, input: string, described: unknown): boolean {
  return isOpenName(className, input) || listsFiles(className, input, described);
}

/** Whether ComfyUI does not compare the input with its options. */
export function isOpenName(className: string, input: string): boolean {
  return (className === 'CustomCombo' && input === 'choice') || (FOLDERS.test(className) && /^folder/.test(input));
}

function listsFiles(className: string, input: string, described: unknown): boolean {
  const options = optionsOf(described);
  if (!Array.isArray(described) || (options === undefined && described[0] !== 'COMBO')) return false;
  const config = configOf(described);
  const isMarked = Object.keys(config).some((key) => key.endsWith('_upload') && config[key] === true);
  if (isMarked || 'remote' in config || 'image_folder' in config) return true;
  if (reviewedFile(className, input) !== undefined) return true;
  return options?.some((option) => typeof option === 'string' && OUR_UPLOAD.test(option)) === true;
}

/** Marked like ComfyUI's own, so that it is still recognised as a list of files. */
function emptied(described: unknown): unknown {
  const [type, config] = Array.isArray(described) ? described : [];
  const more = isRecord(config) ? config : {};
  const isMarked = Object.keys(more).some((key) => key.endsWith('_upload')) || 'remote' in more;
  const marked = isMarked ? more : { ...more, file_upload: true };
  return type === 'COMBO' ? [type, 'options' in more ? { ...marked, options: [] } : marked] : [[], marked];
}

/** The replacement of a node class that a ComfyUI no longer has. */
export interface Replacement {
  readonly className: string;
  /** New inputs by the old ones whose values they get; undefined: all keep their names. */
  readonly inputs: ReadonlyMap<string, string> | undefined;
}

/** Reads the table of GET /node_replacements, by old class; unknown entries are ignored. */
export function readReplacements(table: unknown): ReadonlyMap<string, Replacement> {
  const found = new Map<string, Replacement>();
  for (const [className, ways] of Object.entries(isRecord(table) ? table : {})) {
    // ComfyUI uses the first one.
    const [way] = Array.isArray(ways) ? ways : [];
    if (!isRecord(way) || typeof way.new_node_id !== 'string') continue;
    found.set(className, { className: way.new_node_id, inputs: readMapping(way.input_mapping) });
  }
  return found;
}

function readMapping(mapping: unknown): ReadonlyMap<string, string> | undefined {
  if (!Array.isArray(mapping)) return undefined;
  return new Map(
    mapping.flatMap((entry): [string, string][] =>
      isRecord(entry) && typeof entry.old_id === 'string' && typeof entry.new_id === 'string'
        ? [[entry.old_id, entry.new_id]]
        : [],
    ),
  );
}

/** The description of an old class, derived from the class that replaces it. */
export function describeReplaced({ inputs }: Replacement, description: unknown): unknown {
  if (inputs === undefined || !isRecord(description) || !isRecord(description.input)) return description;
  const required = isRecord(description.input.required) ? description.input.required : {};
  const optional = isRecord(description.input.optional) ? description.input.optional : {};
  const old: Record<'required' | 'optional', Record<string, unknown>> = { required: {}, optional: {} };
  for (const [oldInput, newInput] of inputs) {
    if (newInput in required) old.required[oldInput] = required[newInput];
    // Inputs of a growing list are described together.
    else old.optional[oldInput] = optional[newInput] ?? ['*', {}];
  }
  return { ...description, input: old };
}
