import { type JobRecord, listedOf, type OutputRecord } from '@comfy-fleet/jobs';

/** What ComfyUI says of a node's results: lists of files or texts by a key of the node's own. */
export type NodeOutputs = Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>>;

/** A text that is too long for a record is only in its file. */
const TEXT_FILES = 'files';

/** Of a job by node id. Files stand under their names here, which no other job's have, in no subfolder. */
export function nodeOutputs({ outputs }: Pick<JobRecord, 'outputs'>): NodeOutputs {
  const found = new Map<string, Record<string, unknown[]>>();
  for (const output of outputs) {
    const ofNode = found.get(output.nodeId) ?? {};
    found.set(output.nodeId, ofNode);
    const { key, animated } = listedOf(output);
    const isText = key === 'text';
    const shown = isText && output.text !== undefined ? output.text : fileOf(output);
    const under = isText && output.text === undefined ? TEXT_FILES : key;
    ofNode[under] = [...(ofNode[under] ?? []), shown];
    if (animated === true) ofNode.animated = [true];
  }
  return Object.fromEntries(found);
}

/** One file as ComfyUI names it; GET /view takes the same. */
export function fileOf(output: OutputRecord) {
  const { type, format, frameRate } = listedOf(output);
  return {
    filename: output.file,
    subfolder: '',
    type,
    ...(format === undefined ? {} : { format }),
    ...(frameRate === undefined ? {} : { frame_rate: frameRate }),
  };
}
