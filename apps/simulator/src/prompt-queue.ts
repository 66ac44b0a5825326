import { heapify, heapPop, heapPush } from './heap.js';
import { type Float, type Json, type JsonObject, toNumber } from './json/values.js';
import { writeJson } from './json/write.js';
import { UnforeseenError } from './unforeseen-error.js';

/** A node of a graph in ComfyUI's API format, after validation. */
export interface GraphNode extends JsonObject {
  class_type: string;
  inputs: JsonObject;
}
export type Graph = Record<string, GraphNode>;

export interface QueuedPrompt {
  /** Lower runs first. Whole from the counter, a float when the client gave it. */
  readonly number: number | Float;
  readonly id: string;
  readonly graph: Graph;
  readonly extraData: JsonObject;
  readonly outputs: readonly string[];
}

/** Who sends it; undefined: nobody, then progress goes to everybody. Anything may be sent, only texts match a socket. */
export function clientIdOf(prompt: QueuedPrompt): Json | undefined {
  return prompt.extraData.client_id ?? undefined;
}

/** The waiting prompts and the running one. `changed` is called after every change of their count. */
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

  /** Throws an UnforeseenError beside a prompt that Python cannot compare it with, and has queued it by then. */
  put(prompt: QueuedPrompt): void {
    heapPush(this.heap, prompt, comparedWith);
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

/** Where number and id are the same, Python goes on to the graphs, which have no order. */
function comparedWith(a: QueuedPrompt, b: QueuedPrompt): boolean {
  if (toNumber(a.number) === toNumber(b.number) && a.id === b.id && rest(a) !== rest(b)) {
    throw new UnforeseenError("'<' not supported between instances of 'dict' and 'dict'");
  }
  return before(a, b);
}

function rest({ graph, extraData }: QueuedPrompt): string {
  return writeJson([graph, extraData]);
}
