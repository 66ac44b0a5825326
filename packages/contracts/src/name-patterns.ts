/** Whether one of the patterns is the name's: `*` stands for any characters, all else for itself, in either case. */
export function matchesAny(name: string, patterns: readonly string[]): boolean {
  const lower = name.toLowerCase();
  return patterns.some((pattern) => matches(lower, pattern.toLowerCase()));
}

/** No regular expression, in which many stars would take longer than any name is worth. */
function matches(name: string, pattern: string): boolean {
  const [start = '', ...others] = pattern.split('*');
  const end = others.pop();
  if (end === undefined) return name === start;
  if (!name.startsWith(start)) return false;
  let at = start.length;
  for (const part of others) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - end.length >= at && name.endsWith(end);
}

/**
 * Node classes that an ad-hoc graph of an API key may not have, unless its `deny_nodes` says otherwise: what reads or
 * writes files of the instance by folder or path, what shows pictures that others made there, what fetches from addresses
 * that nobody has checked, and what runs code. The first are ComfyUI's own, the others those of widespread custom nodes.
 */
export const DENIED_NODES: readonly string[] = [
  'LoadImageOutput',
  '*FromFolder*',
  '*ToFolder*',
  '*TrainingDataset',
  'SaveLoRA*',
  'LoraSave',
  'CheckpointSave',
  'ImageOnlyCheckpointSave',
  'CLIPSave',
  'VAESave',
  'ModelSave',
  '*FromPath*',
  '*Path',
  '*Directory*',
  '*FromDir*',
  '*FromUrl*',
  '*Download*',
  '*Text*File*',
  'Image Save',
  'Image Load',
  'Load Image Batch',
  '*Python*',
  '*Exec*',
  '*Eval*',
  '*Shell*',
  '*Command*',
];
