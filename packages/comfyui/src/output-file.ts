import { compareIds } from './graph.js';
import { isObject, type JsonObject, listOr, objectOr, textOr } from './shapes.js';

/** A file that a node wrote, as `view` wants it. */
export interface OutputFile {
  readonly nodeId: string;
  readonly filename: string;
  /** Below the folder of that type; '' for the folder itself. */
  readonly subfolder: string;
  /** `output`, or `temp` for previews, which are gone after a restart. */
  readonly type: string;
}

/**
 * The pictures in one node's output, in list order. Entries can have more keys (0.33 with assets) and custom nodes put
 * other things beside them; what has no file name is passed over.
 */
export function readOutputFiles(nodeId: string, output: unknown): readonly OutputFile[] {
  return listOr(objectOr(output).images).flatMap((entry) => {
    const filename = isObject(entry) ? textOr(entry.filename) : undefined;
    if (filename === undefined) return [];
    const { subfolder, type } = entry as JsonObject;
    return [{ nodeId, filename, subfolder: textOr(subfolder) ?? '', type: textOr(type) ?? 'output' }];
  });
}

/** The pictures of all nodes, in the order of node ids, then in list order. */
export function readAllOutputFiles(outputs: unknown): readonly OutputFile[] {
  return Object.entries(objectOr(outputs))
    .sort(([a], [b]) => compareIds(a, b))
    .flatMap(([nodeId, output]) => readOutputFiles(nodeId, output));
}
