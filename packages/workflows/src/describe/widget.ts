import { FILE_KINDS, type FileKind } from '@comfy-fleet/contracts';
import { FileFault } from '../file-fault.js';
import { describeNode, type Graph, type GraphNode, isLink, nodeAt } from '../graph.js';
import { namedInputs } from '../input-names.js';
import { NODE_TABLE, reviewedFile } from '../nodes/node-table.js';
import { type Catalogue, type InputSpec, inputSpec } from './catalogue.js';
import { parameterCalled } from './found-input.js';

/** Whether the type is a file that a node loads. */
export function isMedia(type: string | undefined): type is FileKind {
  return FILE_KINDS.some((kind) => kind === type);
}

/** The value that a person can set at one input of a node. */
export interface Widget {
  readonly type: 'integer' | 'number' | 'string' | 'boolean' | 'seed' | FileKind;
  readonly minimum?: number;
  readonly maximum?: number;
  /** The options, possibly none. */
  readonly options?: readonly unknown[];
  readonly multiline: boolean;
  /** A sentence for people. */
  readonly tooltip?: string;
}

/** Common custom nodes that load a file, with the input that names it. */
const CUSTOM_LOADERS: Readonly<Record<string, readonly [input: string, media: FileKind]>> = {
  VHS_LoadVideo: ['video', 'video'],
  VHS_LoadAudioUpload: ['audio', 'audio'],
};
/** Extensions of files of other loaders. */
const EXTENSIONS = [
  [/\.(png|jpe?g|webp|bmp|gif|tiff?)$/i, 'image'],
  [/\.(mp4|webm|mov|mkv|avi|m4v)$/i, 'video'],
  [/\.(wav|mp3|flac|ogg|opus|m4a|aac)$/i, 'audio'],
] as const;
const TYPES = { INT: 'integer', FLOAT: 'number', STRING: 'string', BOOLEAN: 'boolean' } as const;
/** The graph's value does not show the type: ComfyUI writes a FLOAT of 8.0 as 8. */
const WHOLE = /^(steps|width|height|batch_size|amount|length|start_at_step|end_at_step)$/;
const SEED = /(^|_)seed$/;

/** The widget at this place; undefined for a link or a value that people cannot write. */
export function widgetOf({ class_type, inputs }: GraphNode, input: string, catalogue?: Catalogue): Widget | undefined {
  const value = inputs[input];
  if (value === undefined || isLink(value)) return undefined;
  const media = loadedFile(class_type, input) ?? namedFile(class_type, value);
  if (media !== undefined) return plain(media);
  const spec = catalogue && inputSpec(catalogue, class_type, input);
  return spec === undefined ? fromValue(input, value) : fromSpec(input, spec);
}

/** The kind of file that this place names; undefined for others. Consistent with `widgetOf`. */
export function fileKindOf(
  { class_type, inputs }: GraphNode,
  input: string,
  catalogue?: Catalogue,
): FileKind | undefined {
  const value = inputs[input];
  if (value === undefined || isLink(value)) return undefined;
  return namedFile(class_type, value) ?? fileWidget(class_type, input, catalogue);
}

/** The kind of file that the widget takes, whatever its value is. */
export function fileWidget(className: string, input: string, catalogue?: Catalogue): FileKind | undefined {
  return loadedFile(className, input) ?? (catalogue && inputSpec(catalogue, className, input)?.upload);
}

function loadedFile(className: string, input: string): FileKind | undefined {
  const [known, kind] = Object.hasOwn(CUSTOM_LOADERS, className) ? (CUSTOM_LOADERS[className] ?? []) : [];
  return input === known ? kind : reviewedFile(className, input);
}

/** Unreviewed loaders are recognised by the names of their files. */
function namedFile(className: string, value: unknown): FileKind | undefined {
  if (typeof value !== 'string' || NODE_TABLE.has(className) || !/load/i.test(className)) return undefined;
  return EXTENSIONS.find(([pattern]) => pattern.test(value))?.[1];
}

function fromSpec(input: string, { type, options, more, upload }: InputSpec): Widget | undefined {
  if (upload !== undefined) return plain(upload);
  const known = Object.hasOwn(TYPES, type) ? TYPES[type as keyof typeof TYPES] : undefined;
  if (known === undefined && type !== 'COMBO') return undefined;
  const { min, max, multiline, tooltip } = more;
  const isSeed = known === 'integer' && SEED.test(input);
  return {
    type: isSeed ? 'seed' : (known ?? typeOfOptions(options)),
    ...(type === 'COMBO' ? { options } : {}),
    multiline: multiline === true,
    ...(isBound(min) ? { minimum: min } : {}),
    ...(isBound(max) ? { maximum: max } : {}),
    ...(typeof tooltip === 'string' ? { tooltip } : {}),
  };
}

function typeOfOptions(options: readonly unknown[]): 'integer' | 'number' | 'boolean' | 'string' {
  const all = (test: (option: unknown) => boolean) => options.length > 0 && options.every(test);
  if (all((option) => typeof option === 'boolean')) return 'boolean';
  if (all(Number.isInteger)) return 'integer';
  return all((option) => typeof option === 'number') ? 'number' : 'string';
}

/** A rounded bound is ignored; the largest seed is known without it. */
function isBound(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
}

function fromValue(input: string, value: unknown): Widget | undefined {
  if (typeof value === 'boolean') return plain('boolean');
  if (typeof value === 'number' || typeof value === 'bigint') {
    if (SEED.test(input)) return plain('seed');
    return plain(WHOLE.test(input) || typeof value === 'bigint' ? 'integer' : 'number');
  }
  if (typeof value !== 'string') return undefined;
  return { ...plain('string'), multiline: /\n/.test(value) };
}

function plain(type: Widget['type']): Widget {
  return { type, multiline: false };
}

/**
 * The widgets that a reference to a node means: the one with the input's name, those of the usual parameter with that
 * name (each text of an SDXL encoder), the one for a file, or the only one. Throws a FileFault if several are possible,
 * or none.
 */
export function meantWidgets(graph: Graph, id: string, name: string): string[] {
  const node = nodeAt(graph, id);
  const widgets = Object.keys(node.inputs).filter((input) => widgetOf(node, input) !== undefined);
  if (widgets.includes(name)) return [name];
  const parameter = parameterCalled(name);
  const usual = parameter === undefined ? [] : namedInputs(node, parameter).filter((input) => widgets.includes(input));
  if (usual.length > 0) return usual;
  const files = widgets.filter((input) => isMedia(widgetOf(node, input)?.type));
  const [only, ...others] = files.length > 0 ? files : widgets;
  if (only === undefined) {
    const problem = `${describeNode(graph, id)} is named for the input ${name} and has no widget that can be set`;
    throw new FileFault({ problem, at: { node: id } });
  }
  if (others.length === 0) return [only];
  const problem =
    `${describeNode(graph, id)} is named for the input ${name} and has several widgets (${widgets.join(', ')}): say ` +
    `which, as in the title input:${name}.${only}`;
  throw new FileFault({ problem, at: { node: id } });
}
