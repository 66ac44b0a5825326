import type { Execution } from './executions.js';

/** The part of ComfyUI's GET /history that is read here. */
export type History = Readonly<
  Record<
    string,
    {
      readonly prompt: readonly [unknown, unknown, graph: object, ...unknown[]];
      readonly status: {
        readonly status_str: string;
        readonly messages: readonly (readonly [event: string, data: { readonly timestamp?: number }])[];
      };
    }
  >
>;

const TIMEOUT_MS = 30_000;
/** A real ComfyUI has no journal and is measured alone: any number does to tell its GPU. */
const GPU = 0;

export async function readHistory(url: string): Promise<History> {
  const answer = await fetch(`${url}/history`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!answer.ok) throw new Error(`GET /history answers ${answer.status}`);
  return (await answer.json()) as History;
}

/**
 * The executions of prompts with `tag` in their graph, by ComfyUI's own times, in the order of their starts. Throws for one
 * that did not succeed.
 */
export function executionsTagged(history: History, tag: string): Execution[] {
  const tagged = Object.entries(history).filter(([, { prompt }]) => JSON.stringify(prompt[2]).includes(tag));
  const executions = tagged.map(([promptId, { status }]) => {
    const at = (event: string) => status.messages.find(([name]) => name === event)?.[1].timestamp;
    const [startedAt, endedAt] = [at('execution_start'), at('execution_success')];
    if (startedAt === undefined || endedAt === undefined) {
      throw new Error(`the prompt ${promptId} ended as ${status.status_str}`);
    }
    return { gpu: GPU, promptId, startedAt, endedAt };
  });
  return executions.toSorted((a, b) => a.startedAt - b.startedAt);
}
