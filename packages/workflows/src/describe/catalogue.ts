import type { FileKind } from '@comfy-fleet/contracts';
import { isRecord } from '../read-graph.js';

/** The answer of ComfyUI's GET /object_info: node classes by name. */
export type Catalogue = Readonly<Record<string, unknown>>;

/** One input of a node class as ComfyUI describes it. */
export interface InputSpec {
  /** INT, FLOAT, STRING, BOOLEAN, COMBO, or the type of a link (MODEL, IMAGE, …). */
  readonly type: string;
  /** The options of a COMBO, in ComfyUI's order. */
  readonly options: readonly unknown[];
  /** default, min, max, multiline, tooltip, image_upload, … */
  readonly more: Readonly<Record<string, unknown>>;
  /** The kind of file that is uploaded for it. */
  readonly upload: FileKind | undefined;
}

const UPLOADS = [
  ['image_upload', 'image'],
  ['video_upload', 'video'],
  ['audio_upload', 'audio'],
  ['file_upload', 'file'],
] as const;

export function hasClass(catalogue: Catalogue, className: string): boolean {
  return Object.hasOwn(catalogue, className);
}

/** Undefined for an unknown class or input. */
export function inputSpec(catalogue: Catalogue, className: string, input: string): InputSpec | undefined {
  const description = hasClass(catalogue, className) ? catalogue[className] : undefined;
  return isRecord(description) ? specsOf(description).get(input) : undefined;
}

/** Cached inputs by the description of the class, because descriptions never change and are needed for every node. */
const read = new WeakMap<object, ReadonlyMap<string, InputSpec>>();

function specsOf(description: Readonly<Record<string, unknown>>): ReadonlyMap<string, InputSpec> {
  const before = read.get(description);
  if (before !== undefined) return before;
  const { required, optional } = sections(description.input);
  const specs = new Map<string, InputSpec>();
  for (const input of [...Object.keys(required), ...Object.keys(optional)]) {
    const spec = specOf(required[input] ?? optional[input]);
    if (spec !== undefined) specs.set(input, spec);
  }
  read.set(description, specs);
  return specs;
}

/** Reads both forms of a list of options: `[[…], {}]` and `["COMBO", {options}]`. */
function specOf(described: unknown): InputSpec | undefined {
  if (!Array.isArray(described)) return undefined;
  const [type, more] = described;
  const config = recordOr(more);
  const upload = UPLOADS.find(([flag]) => config[flag] === true)?.[1];
  if (Array.isArray(type)) return { type: 'COMBO', options: type, more: config, upload };
  const options = Array.isArray(config.options) ? config.options : [];
  return { type: String(type), options: type === 'COMBO' ? options : [], more: config, upload };
}

/** Whether nodes of the class are output nodes; undefined for an unknown class. */
export function isOutputClass(catalogue: Catalogue, className: string): boolean | undefined {
  return hasClass(catalogue, className) ? recordOr(catalogue[className]).output_node === true : undefined;
}

/** The output types of the class; undefined for an unknown class. */
export function outputTypes(catalogue: Catalogue | undefined, className: string): readonly string[] | undefined {
  const { output } = catalogue && hasClass(catalogue, className) ? recordOr(catalogue[className]) : {};
  return Array.isArray(output) ? output.map(String) : undefined;
}

/**
 * Whether a node of the class can run before its job's own prompt: it has no effects, costs no money, and ComfyUI caches
 * its result whatever the node's id.
 */
export function canRunAhead(catalogue: Catalogue, className: string): boolean {
  if (!hasClass(catalogue, className)) return false;
  const { output_node, api_node, not_idempotent, input } = recordOr(catalogue[className]);
  const hidden = Object.values(recordOr(recordOr(input).hidden)).map((spec) => (Array.isArray(spec) ? spec[0] : spec));
  return ![output_node, api_node, not_idempotent].includes(true) && !hidden.includes('UNIQUE_ID');
}

/** The Python modules of a class: several if ComfyUIs differ, none if nothing is known about it. */
export function modulesOf(description: unknown): readonly string[] {
  const { python_module: modules } = recordOr(description);
  return typeof modules === 'string' ? modules.split(MODULES_BETWEEN) : [];
}

const MODULES_BETWEEN = ', ';

/** The union of several ComfyUIs: every class, every input, and every option that any of them has. */
export function unionOf([first = {}, ...others]: readonly Catalogue[]): Catalogue {
  const union: Record<string, unknown> = { ...first };
  for (const catalogue of others) {
    for (const className of Object.keys(catalogue)) {
      const other = catalogue[className];
      union[className] = hasClass(union, className) ? unionOfClass(recordOr(union[className]), recordOr(other)) : other;
    }
  }
  return union;
}

/** Cached unions of two descriptions, because a large list of models takes time. */
const united = new WeakMap<object, WeakMap<object, Readonly<Record<string, unknown>>>>();

function unionOfClass(
  one: Readonly<Record<string, unknown>>,
  other: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const unions = united.get(one) ?? new WeakMap<object, Readonly<Record<string, unknown>>>();
  united.set(one, unions);
  const union = unions.get(other) ?? withOptions(one, other);
  unions.set(other, union);
  return union;
}

function withOptions(one: Readonly<Record<string, unknown>>, other: Readonly<Record<string, unknown>>) {
  const { required, optional } = sections(one.input);
  const [mine, theirs] = [specsOf(one), specsOf(other)];
  const more = (inputs: Record<string, unknown>) =>
    Object.fromEntries(
      Object.entries(inputs).map(([input, described]) => {
        const spec = mine.get(input);
        if (spec?.type !== 'COMBO') return [input, described];
        const options = new Set([...spec.options, ...(theirs.get(input)?.options ?? [])]);
        return [input, ['COMBO', { ...theirs.get(input)?.more, ...spec.more, options: [...options] }]];
      }),
    );
  const others = sections(other.input);
  const added = Object.entries({ ...others.required, ...others.optional }).filter(([input]) => !mine.has(input));
  const modules = new Set([...modulesOf(one), ...modulesOf(other)]);
  return {
    ...one,
    ...(modules.size === 0 ? {} : { python_module: [...modules].join(MODULES_BETWEEN) }),
    input: { required: more(required), optional: { ...more(optional), ...Object.fromEntries(added) } },
  };
}

/** The required and optional inputs in the `input` of a description of a class, or of a part of one. */
export function sections(input: unknown) {
  const { required, optional } = recordOr(input);
  return { required: recordOr(required), optional: recordOr(optional) };
}

function recordOr(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}
