/**
 * Python's heapq, move for move: GET /queue shows the heap's own order, so another heap would answer differently.
 */
export function heapPush<T>(heap: T[], item: T, before: (a: T, b: T) => boolean): void {
  heap.push(item);
  siftDown(heap, 0, heap.length - 1, before);
}

export function heapPop<T>(heap: T[], before: (a: T, b: T) => boolean): T | undefined {
  const last = heap.pop();
  const first = heap[0];
  if (last === undefined || first === undefined) return last;
  heap[0] = last;
  siftUp(heap, 0, before);
  return first;
}

export function heapify<T>(heap: T[], before: (a: T, b: T) => boolean): void {
  for (let index = (heap.length >> 1) - 1; index >= 0; index--) siftUp(heap, index, before);
}

function siftDown<T>(heap: T[], start: number, from: number, before: (a: T, b: T) => boolean): void {
  const item = heap[from] as T;
  let position = from;
  while (position > start) {
    const parentPosition = (position - 1) >> 1;
    const parent = heap[parentPosition] as T;
    if (!before(item, parent)) break;
    heap[position] = parent;
    position = parentPosition;
  }
  heap[position] = item;
}

function siftUp<T>(heap: T[], from: number, before: (a: T, b: T) => boolean): void {
  const end = heap.length;
  const item = heap[from] as T;
  let position = from;
  let child = 2 * position + 1;
  while (child < end) {
    const right = child + 1;
    if (right < end && !before(heap[child] as T, heap[right] as T)) child = right;
    heap[position] = heap[child] as T;
    position = child;
    child = 2 * position + 1;
  }
  heap[position] = item;
  siftDown(heap, from, position, before);
}
