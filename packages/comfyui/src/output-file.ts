import type { ExpandedFrom } from '@comfy-fleet/contracts';
import { NODE_TABLE } from '@comfy-fleet/workflows';
import { compareIds } from './graph.js';
import { isObject, type JsonObject, listOr, numberOr, objectOr, textOr } from './json.js';

/** The place of a file, as `view` needs it. */
export interface FilePlace {
  readonly filename: string;
  /** Below the folder of its type; '' for the folder itself. */
  readonly subfolder: string;
  /** `output`, or `temp` for previews, which a restart deletes. */
  readonly type: string;
}

/** A node that showed something. */
interface Shown {
  readonly nodeId: string;
  readonly expandedFrom?: ExpandedFrom;
}

/** A file that a node wrote. */
export interface OutputFile extends FilePlace, Shown {
  /** The key under which the node's output lists it. */
  readonly key: string;
  /** The node marked its files as animated. */
  readonly animated?: true;
  /** From VideoHelperSuite: `video/h264-mp4`. */
  readonly format?: string;
  /** In frames a second, also from VideoHelperSuite. */
  readonly frameRate?: number;
}

/** A text that a node showed. */
export interface OutputText extends Shown {
  readonly text: string;
}

/** Values that a node showed besides files and texts, such as `{"tags": ["a", "b"]}`. */
export interface OutputValues extends Shown {
  readonly values: Readonly<Record<string, readonly unknown[]>>;
}

/** The key under which texts are shown. */
const TEXT = 'text';
/** A flag about the files of the node. */
const ANIMATED = 'animated';
/**
 * Nodes that show a 3D model list its name, before the camera position, as a string instead of an object. Only names
 * that they choose for their own files, or that begin with our secret prefix, count: any other name, and any object beside
 * it, may have been their input, and the file may be anybody's.
 */
const VIEWER = 'result';
const WRITTEN = /^(?:preview3d_[0-9a-f]{32}|[0-9a-f]{64}-\d+_\d+_?)\.\w+$/;
/**
 * Where ComfyUI's own nodes list the files that they wrote. What they show under other keys may have been their input too,
 * for example the histogram of a curve. Custom nodes have keys of their own.
 */
const FILES = new Set(['images', 'a_images', 'b_images', 'audio', 'latents', 'files', '3d']);

/**
 * The files in one node's output, in the order of its keys and their lists. The key means nothing: videos are under
 * `images` and `gifs`, and custom nodes have their own keys. Entries may have further keys, such as VideoHelperSuite's
 * `fullpath`; entries without a file name are ignored.
 */
export function readOutputFiles(nodeId: string, output: unknown): readonly OutputFile[] {
  const listed = objectOr(output);
  const about = listOr(listed[ANIMATED])[0] === true ? { nodeId, animated: true as const } : { nodeId };
  return Object.entries(listed).flatMap(([key, value]) => {
    if (key === VIEWER) return shownModel(nodeId, value);
    return listOr(value).flatMap((entry) => fileOf({ key, ...about }, entry));
  });
}

const isFile = (entry: unknown): entry is JsonObject & { readonly filename: string } =>
  isObject(entry) && (textOr(entry.filename) ?? '') !== '';

function fileOf(about: Pick<OutputFile, 'nodeId' | 'key' | 'animated'>, entry: unknown): readonly OutputFile[] {
  if (!isFile(entry)) return [];
  const { filename, subfolder, type, format: said, frame_rate } = entry;
  const [format, frameRate] = [textOr(said), numberOr(frame_rate)];
  return [
    {
      filename,
      subfolder: textOr(subfolder) ?? '',
      type: textOr(type) ?? 'output',
      ...about,
      ...(format === undefined ? {} : { format }),
      ...(frameRate === undefined ? {} : { frameRate }),
    },
  ];
}

function shownModel(nodeId: string, value: unknown): readonly OutputFile[] {
  const filename = textOr(listOr(value)[0]) ?? '';
  return WRITTEN.test(filename) ? [{ nodeId, filename, subfolder: '', type: 'output', key: VIEWER }] : [];
}

/**
 * The files that all nodes wrote, in the order of node ids, without duplicates. `classOf`: the class of a node; undefined if it
 * is not known.
 */
export function readAllOutputFiles(
  outputs: unknown,
  classOf: (nodeId: string) => string | undefined,
): readonly OutputFile[] {
  const files = byNode(outputs).flatMap(([nodeId, output]) => {
    const className = classOf(nodeId);
    const isCustom = className !== undefined && !NODE_TABLE.has(className);
    return readOutputFiles(nodeId, output).filter(({ key }) => isCustom || key === VIEWER || FILES.has(key));
  });
  const places = new Map<string, OutputFile>();
  for (const file of files) {
    const place = [file.type, file.subfolder, file.filename].join('\n');
    if (!places.has(place)) places.set(place, file);
  }
  return [...places.values()];
}

/** The texts of all nodes, in the order of node ids and of their lists. */
export function readTexts(outputs: unknown): readonly OutputText[] {
  return byNode(outputs).flatMap(([nodeId, output]) => {
    const shown = objectOr(output)[TEXT];
    const texts = typeof shown === 'string' ? [shown] : listOr(shown);
    return texts.flatMap((text) => (typeof text === 'string' ? [{ nodeId, text }] : []));
  });
}

/**
 * Values that are neither files nor texts, in the order of node ids. Omits viewers of models, because these show names
 * of files on the instance, which callers must not know.
 */
export function readValues(outputs: unknown): readonly OutputValues[] {
  return byNode(outputs).flatMap(([nodeId, output]) => {
    const values = Object.entries(objectOr(output)).flatMap(([key, shown]) => {
      if (key === VIEWER || key === ANIMATED) return [];
      const list = listOr(shown);
      const rest = list.filter((entry) => !isFile(entry) && !(key === TEXT && typeof entry === 'string'));
      return rest.length > 0 || list.length === 0 ? [[key, rest] as const] : [];
    });
    const isEmpty = values.every(([, list]) => list.length === 0);
    return isEmpty ? [] : [{ nodeId, values: Object.fromEntries(values) }];
  });
}

function byNode(outputs: unknown): [nodeId: string, output: unknown][] {
  return Object.entries(objectOr(outputs)).sort(([a], [b]) => compareIds(a, b));
}
