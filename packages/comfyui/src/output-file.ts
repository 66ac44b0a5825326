import { compareIds } from './graph.js';
import { isObject, type JsonObject, listOr, numberOr, objectOr, textOr } from './shapes.js';

/** Where a file is, as `view` wants it. */
export interface FilePlace {
  readonly filename: string;
  /** Below the folder of that type; '' for the folder itself. */
  readonly subfolder: string;
  /** `output`, or `temp` for previews, which are gone after a restart. */
  readonly type: string;
}

/** A file that a node wrote. */
export interface OutputFile extends FilePlace {
  readonly nodeId: string;
  /** Under which the node's output lists it. */
  readonly key: string;
  /** The node said that what it lists moves. */
  readonly animated?: true;
  /** As VideoHelperSuite says it: `video/h264-mp4`. */
  readonly format?: string;
  /** In frames a second, from there as well. */
  readonly frameRate?: number;
}

/** A text that a node showed. */
export interface OutputText {
  readonly nodeId: string;
  readonly text: string;
}

/** The key under which texts are shown. */
const TEXT = 'text';
/**
 * Nodes that show a model put its name in front of where the camera stands, instead of an object. Only what they have written
 * for it themselves counts: any other name, and any object beside it, may have been an input of theirs, and the file anybody's.
 */
const VIEWER = 'result';
const WRITTEN = /^preview3d_[0-9a-f]{32}\.\w+$/;

/**
 * The files in one node's output, in the order of its keys, then in list order. The key says nothing: videos stand under
 * `images` and `gifs`, and custom nodes have their own. Entries can have more keys, such as VideoHelperSuite's `fullpath`;
 * what has no file name is passed over.
 */
export function readOutputFiles(nodeId: string, output: unknown): readonly OutputFile[] {
  const listed = objectOr(output);
  const about = listOr(listed.animated)[0] === true ? { nodeId, animated: true as const } : { nodeId };
  return Object.entries(listed).flatMap(([key, value]) => {
    if (key === VIEWER) return shownModel(nodeId, value);
    return listOr(value).flatMap((entry) => fileOf({ key, ...about }, entry));
  });
}

function fileOf(about: Pick<OutputFile, 'nodeId' | 'key' | 'animated'>, entry: unknown): readonly OutputFile[] {
  const filename = isObject(entry) ? textOr(entry.filename) : undefined;
  if (filename === undefined || filename === '') return [];
  const { subfolder, type, format: said, frame_rate } = entry as JsonObject;
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

/** The files of all nodes, in the order of node ids; what several entries name is one file. */
export function readAllOutputFiles(outputs: unknown): readonly OutputFile[] {
  const files = byNode(outputs).flatMap(([nodeId, output]) => readOutputFiles(nodeId, output));
  const places = new Map<string, OutputFile>();
  for (const file of files) {
    const place = [file.type, file.subfolder, file.filename].join('\n');
    if (!places.has(place)) places.set(place, file);
  }
  return [...places.values()];
}

/** The texts of all nodes, in the order of node ids, then in list order. */
export function readTexts(outputs: unknown): readonly OutputText[] {
  return byNode(outputs).flatMap(([nodeId, output]) => {
    const shown = objectOr(output)[TEXT];
    const texts = typeof shown === 'string' ? [shown] : listOr(shown);
    return texts.flatMap((text) => (typeof text === 'string' ? [{ nodeId, text }] : []));
  });
}

function byNode(outputs: unknown): [nodeId: string, output: unknown][] {
  return Object.entries(objectOr(outputs)).sort(([a], [b]) => compareIds(a, b));
}
