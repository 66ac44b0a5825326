import { FILE_KINDS, type FileKind } from '@comfy-fleet/contracts';
import { type GraphNode, isLink } from '../graph.js';
import { NODE_TABLE, reviewedFile } from '../nodes/node-table.js';
import { type Catalogue, type InputSpec, inputSpec } from './catalogue.js';

/** Whether it is a file that a node loads. */
export function isMedia(type: string | undefined): type is FileKind {
  return FILE_KINDS.some((kind) => kind === type);
}

/** What a person can set at one input of a node. */
export interface Widget {
  readonly type: 'integer' | 'number' | 'string' | 'boolean' | 'seed' | FileKind;
  readonly minimum?: number;
  readonly maximum?: number;
  /** Of a choice, perhaps among nothing. */
  readonly options?: readonly unknown[];
  readonly multiline: boolean;
  /** A sentence for people. */
  readonly tooltip?: string;
}

/** Widespread custom nodes that load a file, with the input that names it. */
const CUSTOM_LOADERS: Readonly<Record<string, readonly [input: string, media: FileKind]>> = {
  VHS_LoadVideo: ['video', 'video'],
  VHS_LoadAudioUpload: ['audio', 'audio'],
};
/** Of names of files that other loaders have. */
const EXTENSIONS = [
  [/\.(png|jpe?g|webp|bmp|gif|tiff?)$/i, 'image'],
  [/\.(mp4|webm|mov|mkv|avi|m4v)$/i, 'video'],
  [/\.(wav|mp3|flac|ogg|opus|m4a|aac)$/i, 'audio'],
] as const;
const TYPES = { INT: 'integer', FLOAT: 'number', STRING: 'string', BOOLEAN: 'boolean' } as const;
/** The graph's own value does not tell: ComfyUI writes a FLOAT of 8.0 as 8. */
const WHOLE = /^(steps|width|height|batch_size|amount|length|start_at_step|end_at_step)$/;
const SEED = /(^|_)seed$/;

/** What can be set there; undefined where there is a link, or what no person could write. */
export function widgetOf({ class_type, inputs }: GraphNode, input: string, catalogue?: Catalogue): Widget | undefined {
  const value = inputs[input];
  if (value === undefined || isLink(value)) return undefined;
  const media = loadedFile(class_type, input) ?? namedFile(class_type, value);
  if (media !== undefined) return plain(media);
  const spec = catalogue && inputSpec(catalogue, class_type, input);
  return spec === undefined ? fromValue(input, value) : fromSpec(input, spec);
}

/** The kind of file that is named there; undefined for what is none. The same that `widgetOf` says, and no more. */
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

/** Loaders that nobody has reviewed give themselves away by the names of their files. */
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

/** A bound that a JavaScript number has rounded is none; the largest seed is known without it. */
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
