/**
 * How many items the list has that leaves a node. ComfyUI runs a node once for each item of the longest list that it gets,
 * and makes a list of the results. `lists`: lengths of what it is linked to; `batch`: pictures of one batch that it gets.
 */
export function listLength(className: string, lists: readonly number[], batch: number): number {
  const longest = Math.max(1, ...lists);
  switch (className) {
    case 'CreateList':
    case 'MergeImageLists':
    case 'MergeTextLists':
      return lists.reduce((all, length) => all + length, 0);
    case 'RebatchImages':
    case 'RebatchLatents':
    case 'SeedVR2TemporalChunk':
      return longest * batch;
    case 'ImageGrid':
    case 'ImageMergeTileList':
    case 'SeedVR2TemporalMerge':
    case 'TrainLoraNode':
      return 1;
    default:
      return longest;
  }
}
