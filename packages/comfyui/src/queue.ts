import { isObject, numberOr, textOr } from './shapes.js';

/** Prompt ids, each list in the order of running. */
export interface PromptQueue {
  readonly running: readonly string[];
  readonly pending: readonly string[];
}

/** Reads GET /queue; undefined if it has not that shape. */
export function readQueue(value: unknown): PromptQueue | undefined {
  if (!isObject(value)) return undefined;
  const running = readList(value.queue_running);
  const pending = readList(value.queue_pending);
  return running === undefined || pending === undefined ? undefined : { running, pending };
}

/** ComfyUI lists them in heap order; they run in the order of their number, the first element. */
function readList(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const entries = value.map((entry: unknown) => {
    const [number, id] = Array.isArray(entry) ? entry : [];
    return { number: numberOr(number) ?? Number.POSITIVE_INFINITY, id: textOr(id) };
  });
  const ids = entries.sort((a, b) => (a.number === b.number ? 0 : a.number - b.number)).map(({ id }) => id);
  return ids.every((id) => id !== undefined) ? ids : undefined;
}
