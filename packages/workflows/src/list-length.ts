/**
 * The length of the list that leaves a node. ComfyUI runs a node once for each item of its longest input list, and
 * collects the results in a list. `lists`: lengths of its inputs; `batch`: pictures of one input batch.
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
      return longest * batch;
    case 'ImageGrid':
    case 'ImageMergeTileList':
    case 'TrainLoraNode':
      return 1;
    default:
      return longest;
  }
}
