import { isRecord } from '../read-graph.js';

/** What ComfyUI's GET /object_info answers: node classes by name. */
export type Catalogue = Readonly<Record<string, unknown>>;

/** One input of a node class as ComfyUI describes it. */
export interface InputSpec {
  /** INT, FLOAT, STRING, BOOLEAN, COMBO, or what a link carries (MODEL, IMAGE, …). */
  readonly type: string;
  /** Of a COMBO, in ComfyUI's order. */
  readonly options: readonly unknown[];
  /** default, min, max, multiline, tooltip, image_upload, … */
  readonly more: Readonly<Record<string, unknown>>;
}

export function hasClass(catalogue: Catalogue, className: string): boolean {
  return Object.hasOwn(catalogue, className);
}

/** Undefined for an unknown class or input. Reads both forms of a choice: `[[…], {}]` and `["COMBO", {options}]`. */
export function inputSpec(catalogue: Catalogue, className: string, input: string): InputSpec | undefined {
  const { required, optional } = sections(inputOf(catalogue, className));
  const described = required[input] ?? optional[input];
  if (!Array.isArray(described)) return undefined;
  const [type, more] = described;
  const config = recordOr(more);
  if (Array.isArray(type)) return { type: 'COMBO', options: type, more: config };
  const options = Array.isArray(config.options) ? config.options : [];
  return { type: String(type), options: type === 'COMBO' ? options : [], more: config };
}

/** Whether nodes of the class make what a run leaves behind; undefined for an unknown class. */
export function isOutputClass(catalogue: Catalogue, className: string): boolean | undefined {
  return hasClass(catalogue, className) ? recordOr(catalogue[className]).output_node === true : undefined;
}

/** Of several ComfyUIs together: every class, and every option, that any of them has. */
export function unionOf([first = {}, ...others]: readonly Catalogue[]): Catalogue {
  const union: Record<string, unknown> = { ...first };
  for (const catalogue of others) {
    for (const className of Object.keys(catalogue)) {
      union[className] = hasClass(union, className) ? withOptions(union, catalogue, className) : catalogue[className];
    }
  }
  return union;
}

function withOptions(union: Catalogue, other: Catalogue, className: string): unknown {
  const { required, optional } = sections(inputOf(union, className));
  const more = (inputs: Record<string, unknown>) =>
    Object.fromEntries(
      Object.entries(inputs).map(([input, described]) => {
        const mine = inputSpec(union, className, input);
        if (mine?.type !== 'COMBO') return [input, described];
        const options = new Set([...mine.options, ...(inputSpec(other, className, input)?.options ?? [])]);
        return [input, ['COMBO', { ...mine.more, options: [...options] }]];
      }),
    );
  return { ...recordOr(union[className]), input: { required: more(required), optional: more(optional) } };
}

/** The required and the optional inputs that a description of a node class, or of a part of one, has as its `input`. */
export function sections(input: unknown) {
  const { required, optional } = recordOr(input);
  return { required: recordOr(required), optional: recordOr(optional) };
}

function inputOf(catalogue: Catalogue, className: string): unknown {
  return recordOr(hasClass(catalogue, className) && catalogue[className]).input;
}

function recordOr(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}
