import type { Request } from 'autocannon';
import { inParallel } from '../../lib/scope.js';
import type { ApiStack } from './api-stack.js';

/** The length of the prompts of waiting jobs. */
export const PROMPT_CHARS = 100;

/** A request for a picture, with a prompt of 100 characters. The number makes it different from others. */
export function job(number: number): object {
  const prompt = `a lighthouse in a storm at night, oil on canvas, heavy clouds, one ship far out at sea ${number} `;
  return { prompt: prompt.padEnd(PROMPT_CHARS, '.').slice(0, PROMPT_CHARS), lod: 'sketch', seed: number };
}

/** The upper limit of random seeds in ComfyUI's editor. */
const MOST_SEED = 2 ** 50;

export function drawSeed(): number {
  return Math.floor(Math.random() * MOST_SEED);
}

/** The body of ComfyUI's POST /prompt for a graph, with a new seed, because clients seldom send a graph twice. */
export function prompt(graph: string): object {
  const nodes = JSON.parse(graph) as Record<string, { readonly inputs: Record<string, unknown> }>;
  for (const { inputs } of Object.values(nodes)) if ('seed' in inputs) inputs.seed = drawSeed();
  return { prompt: nodes, client_id: 'bench' };
}

/** Requests that each have a body of their own. */
export function orders(path: string, body: () => object): Request[] {
  return [{ method: 'POST', path, setupRequest: (request) => ({ ...request, body: JSON.stringify(body()) }) }];
}

const MOST_IN_BATCH = 1000;
const AT_ONCE = 2;

/** Creates waiting jobs with POST /jobs/batch, and returns their ids. */
export async function fill(stack: ApiStack, count: number): Promise<string[]> {
  const ids: string[] = [];
  await inParallel(Math.ceil(count / MOST_IN_BATCH), AT_ONCE, async (batch) => {
    const first = batch * MOST_IN_BATCH;
    const jobs = Array.from({ length: Math.min(MOST_IN_BATCH, count - first) }, (_, n) => job(first + n));
    const { data } = JSON.parse(await stack.ask('POST', '/jobs/batch', { jobs })) as { data: { id: string }[] };
    ids.push(...data.map(({ id }) => id));
  });
  return ids;
}

/** Cancels waiting jobs. */
export function cancelAll(stack: ApiStack, ids: readonly string[], atOnce = 32): Promise<void> {
  return inParallel(ids.length, atOnce, async (index) => {
    await stack.ask('POST', `/jobs/${ids[index]}/cancel`);
  });
}
