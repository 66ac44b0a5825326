import type { JournalLine } from '@comfy-fleet/testing';
import { median } from '../../lib/report.js';

/** One prompt that a GPU ran to a successful end. Times in milliseconds since 1970, whole ones. */
export interface Execution {
  /** Which GPU: its port. */
  readonly gpu: number;
  readonly promptId: string;
  readonly startedAt: number;
  readonly endedAt: number;
}

/**
 * What a journal says began at `since` or later and has ended, in the order of the ends. A prompt that did not succeed
 * spoils the measurement: it throws.
 */
export function executionsIn(lines: readonly JournalLine[], since: number): Execution[] {
  const executions: Execution[] = [];
  for (const line of lines) {
    if (line.event === 'start' || line.started_at < since) continue;
    if (line.outcome !== 'success') throw new Error(`the prompt ${line.prompt_id} ended as ${line.outcome}`);
    executions.push({
      gpu: line.port,
      promptId: line.prompt_id,
      startedAt: line.started_at,
      endedAt: line.ended_at,
    });
  }
  return executions;
}

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

const HISTORY_TIMEOUT_MS = 30_000;
/** A real ComfyUI has no journal and is measured alone: any number does to tell its GPU. */
const GPU = 0;

export async function readHistory(url: string): Promise<History> {
  const answer = await fetch(`${url}/history`, { signal: AbortSignal.timeout(HISTORY_TIMEOUT_MS) });
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

/** How well a number of GPUs were used. */
export interface Usage {
  readonly prompts: number;
  /** From the first start to the last end, in milliseconds. */
  readonly spanMs: number;
  /** Of all GPUs together, over the span. */
  readonly promptsPerSecond: number;
  /** Share of the span in which a GPU executed something, 0 to 1; the mean over the GPUs. */
  readonly busy: number;
  /** Between the end of a prompt and the start of the next one on the same GPU, in milliseconds. */
  readonly medianGapMs: number;
  readonly longestGapMs: number;
}

/** Throws when there is nothing to measure. */
export function usageOf(executions: readonly Execution[]): Usage {
  if (executions.length === 0) throw new Error('no prompt was executed');
  const gaps = gapsIn(executions);
  const spanMs =
    Math.max(...executions.map(({ endedAt }) => endedAt)) - Math.min(...executions.map(({ startedAt }) => startedAt));
  const executingMs = executions.reduce((sum, { startedAt, endedAt }) => sum + endedAt - startedAt, 0);
  const gpus = new Set(executions.map(({ gpu }) => gpu)).size;
  return {
    prompts: executions.length,
    spanMs,
    promptsPerSecond: (executions.length * 1000) / spanMs,
    busy: executingMs / (spanMs * gpus),
    medianGapMs: gaps.length === 0 ? 0 : median(gaps),
    longestGapMs: Math.max(0, ...gaps),
  };
}

/** The pauses of every GPU, in milliseconds, in no particular order. */
export function gapsIn(executions: readonly Execution[]): number[] {
  const lastEnd = new Map<number, number>();
  return executions
    .toSorted((a, b) => a.startedAt - b.startedAt || a.endedAt - b.endedAt)
    .flatMap(({ gpu, startedAt, endedAt }) => {
      const before = lastEnd.get(gpu);
      lastEnd.set(gpu, endedAt);
      return before === undefined ? [] : [startedAt - before];
    });
}

export const perPrompt = ({ spanMs, prompts }: Usage) => spanMs / prompts;
export const ratio = (a: Usage, b: Usage) => a.promptsPerSecond / b.promptsPerSecond;
