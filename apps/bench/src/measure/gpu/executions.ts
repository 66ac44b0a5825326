import type { JournalLine } from '@comfy-fleet/testing';
import { median } from '../../lib/report.js';

/** A prompt that a GPU executed successfully. Times are whole milliseconds since 1970. */
export interface Execution {
  /** The port of the GPU. */
  readonly gpu: number;
  readonly promptId: string;
  readonly startedAt: number;
  readonly endedAt: number;
}

/**
 * The executions in a journal that started at `since` or later and have ended, in the order of their ends. Throws if
 * one did not succeed, because the measurement is then worthless.
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

/** The part of ComfyUI's history that is read here. */
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
/** Any number identifies the GPU, because a real ComfyUI is measured alone. */
const GPU = 0;

export async function readHistory(url: string): Promise<History> {
  const answer = await fetch(`${url}/history`, { signal: AbortSignal.timeout(HISTORY_TIMEOUT_MS) });
  if (!answer.ok) throw new Error(`GET /history answered ${answer.status}`);
  return (await answer.json()) as History;
}

/**
 * The executions of prompts with `tag` in their graph, with ComfyUI's own times, in the order of their starts. Throws
 * if one did not succeed.
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

/** How well GPUs were used. */
export interface Usage {
  readonly prompts: number;
  /** From the first start to the last end, in milliseconds. */
  readonly spanMs: number;
  /** The rate of all GPUs together. */
  readonly promptsPerSecond: number;
  /** The share of the span in which a GPU was executing, 0 to 1; the mean of all GPUs. */
  readonly busy: number;
  /** The time between the end of a prompt and the start of the next one on the same GPU, in milliseconds. */
  readonly medianGapMs: number;
  readonly longestGapMs: number;
}

/** Throws if there are no executions. */
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

/** The pauses of all GPUs, in milliseconds. */
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
