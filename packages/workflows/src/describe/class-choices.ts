import type { Abilities } from '@comfy-fleet/contracts';
import { reviewedFile } from '../nodes/node-table.js';
import { isRecord } from '../read-graph.js';

/** A name under which a worker uploads inputs: a list that has one lists what was uploaded. */
const OUR_UPLOAD = /^[0-9a-f]{64}\.\w+$/;
/** Lists of the folders that people put files into; ComfyUI looks for what is named there, whatever was listed. */
const FOLDERS = /^Load(\w*FromFolder(Node)?|TrainingDataset)$/;

/**
 * The inputs of a node class where ComfyUI refuses what is not among the options. Left out is where it may take more:
 * lists of uploaded files and folders, a choice whose options the graph itself brings, one that is filled from elsewhere,
 * and options that are no texts.
 */
export function choicesOf(className: string, description: unknown): Abilities[string] {
  const choices: Record<string, readonly string[]> = {};
  for (const [input, described] of inputsOf(description)) {
    const options = optionsOf(described);
    if (options === undefined || !options.every((option) => typeof option === 'string')) continue;
    if (isOpenChoice(className, input, described)) continue;
    choices[input] = options;
  }
  return choices;
}

/** The description of a node class without the lists of files that come and go with each upload. */
export function withoutFileLists(className: string, description: unknown): unknown {
  const listed = inputsOf(description).filter(([input, described]) => listsFiles(className, input, described));
  if (listed.length === 0 || !isRecord(description) || !isRecord(description.input)) return description;
  const inputs: Record<string, unknown> = { ...description.input };
  for (const name of SECTIONS) {
    const section = inputs[name];
    if (!isRecord(section)) continue;
    inputs[name] = Object.fromEntries(
      Object.entries(section).map(([input, described]) => [
        input,
        listsFiles(className, input, described) ? emptied(described) : described,
      ]),
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

/** Both forms of a choice: `[[…], {}]` and `["COMBO", {options}]`; undefined for what is none. */
function optionsOf(described: unknown): readonly unknown[] | undefined {
  if (!Array.isArray(described)) return undefined;
  const [type] = described;
  const options = type === 'COMBO' ? configOf(described).options : type;
  return Array.isArray(options) ? options : undefined;
}

function configOf(described: readonly unknown[]): Record<string, unknown> {
  return isRecord(described[1]) ? described[1] : {};
}

/** Whether ComfyUI may take more at an input than its description lists. */
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

/** Marked as ComfyUI marks others, so that it is still known for a list of files. */
function emptied(described: unknown): unknown {
  const [type, config] = Array.isArray(described) ? described : [];
  const more = isRecord(config) ? config : {};
  const isMarked = Object.keys(more).some((key) => key.endsWith('_upload')) || 'remote' in more;
  const marked = isMarked ? more : { ...more, file_upload: true };
  return type === 'COMBO' ? [type, 'options' in more ? { ...marked, options: [] } : marked] : [[], marked];
}
