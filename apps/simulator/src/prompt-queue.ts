import { type Float, type Json, type JsonObject, toNumber, UncaughtError, writeJson } from './python.js';

/** A node of a graph in ComfyUI's API format, after validation. */
export interface GraphNode extends JsonObject {
  class_type: string;
  inputs: JsonObject;
}
export type Graph = Record<string, GraphNode>;

export interface QueuedPrompt {
  /** Lower numbers run first. An integer if the server counted it, a float if the client chose it. */
  readonly number: number | Float;
  readonly id: string;
  readonly graph: Graph;
  readonly extraData: JsonObject;
  readonly outputs: readonly string[];
}

/**
 * The client id, if one was sent; without it, progress goes to all sockets. It may be any JSON, but only strings match
 * a socket.
 */
export function clientIdOf(prompt: QueuedPrompt): Json | undefined {
  return prompt.extraData.client_id ?? undefined;
}

/** The waiting prompts and the running one. `changed` is called after their number has changed. */
export class PromptQueue {
  running: QueuedPrompt | undefined;
  private heap: QueuedPrompt[] = [];
  private readonly changed: () => void;

  constructor(changed: () => void) {
    this.changed = changed;
  }

  /** In heap order, as ComfyUI shows them. */
  get pending(): readonly QueuedPrompt[] {
    return this.heap;
  }

  get remaining(): number {
    return this.heap.length + (this.running === undefined ? 0 : 1);
  }

  /** Queues a prompt. If Python cannot compare it with another one, it throws an UncaughtError after queueing. */
  put(prompt: QueuedPrompt): void {
    heapPush(this.heap, prompt, isBeforeInPython);
    this.changed();
  }

  /** Takes the next prompt to run; it is `running` from then on. */
  take(): QueuedPrompt | undefined {
    const next = heapPop(this.heap, before);
    if (next === undefined) return undefined;
    this.running = next;
    this.changed();
    return next;
  }

  /** The running prompt has ended. */
  done(): void {
    this.running = undefined;
    this.changed();
  }

  /** Removes one waiting prompt of this id; false if there is none. */
  delete(id: string): boolean {
    const index = this.heap.findIndex((prompt) => prompt.id === id);
    if (index < 0) return false;
    this.heap.splice(index, 1);
    heapify(this.heap, before);
    this.changed();
    return true;
  }

  clear(): void {
    this.heap = [];
    this.changed();
  }
}

/** Tuples compare element by element: equal numbers are ordered by id. */
function before(a: QueuedPrompt, b: QueuedPrompt): boolean {
  const [left, right] = [toNumber(a.number), toNumber(b.number)];
  return left === right ? a.id < b.id : left < right;
}

/** With equal numbers and ids Python compares the graphs, and raises because dicts have no order. */
function isBeforeInPython(a: QueuedPrompt, b: QueuedPrompt): boolean {
  if (toNumber(a.number) === toNumber(b.number) && a.id === b.id && rest(a) !== rest(b)) {
    throw new UncaughtError("'<' not supported between instances of 'dict' and 'dict'");
  }
  return before(a, b);
}

function rest({ graph, extraData }: QueuedPrompt): string {
  return writeJson([graph, extraData]);
}

/**
 * Python's heapq, step for step: GET /queue shows the order inside the heap, which another implementation would change.
 */
function heapPush<T>(heap: T[], item: T, before: (a: T, b: T) => boolean): void {
  heap.push(item);
  siftDown(heap, 0, heap.length - 1, before);
}

function heapPop<T>(heap: T[], before: (a: T, b: T) => boolean): T | undefined {
  const last = heap.pop();
  const first = heap[0];
  if (last === undefined || first === undefined) return last;
  heap[0] = last;
  siftUp(heap, 0, before);
  return first;
}

function heapify<T>(heap: T[], before: (a: T, b: T) => boolean): void {
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
