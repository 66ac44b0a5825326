import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { connectSocket, createComfyClient, type Graph } from '@comfy-fleet/comfyui';
import { jobClient, until } from '@comfy-fleet/testing';
import { inParallel, type Scope } from '../../lib/scope.js';
import { emptyImageGraph, smallJob } from '../../lib/small-job.js';

/** A way to give prompts to a number of GPUs. */
export interface Feed {
  /** Occupies each GPU with a prompt while a backlog is built. The returned function ends these prompts. */
  occupy(): Promise<() => Promise<void>>;
  /** Submits prompts for pictures of 64×64. Resolves when all are accepted, to a text that is in all their graphs. */
  submit(count: number): Promise<string>;
  /** Resolves when the client sees all prompts as done. Throws if one has failed. */
  done(): Promise<void>;
}

const TIMEOUT_MS = 60_000;
const AT_ONCE = 8;

/** Direct access to one ComfyUI through POST /prompt, with an open socket. */
export interface Direct {
  /** Returns the id of the prompt. */
  submit(graph: (promptId: string) => Graph): Promise<string>;
  interrupt(promptId: string): Promise<void>;
  hasEnded(promptId: string): Promise<boolean>;
}

/** Connects to a ComfyUI. The socket is opened because ComfyUI sends its frames to the service as well. */
export async function connectDirectly(scope: Scope, url: string): Promise<Direct> {
  const client = createComfyClient({ baseUrl: url, instance: url, timeoutMs: TIMEOUT_MS });
  scope.onClose(() => client.close());
  const ignore = () => undefined;
  const log = { info: ignore, warn: ignore, error: ignore };
  const options = { baseUrl: url, instance: url, timeoutMs: TIMEOUT_MS, pingMs: TIMEOUT_MS };
  const socket = connectSocket({ ...options, onEvent: ignore, onState: ignore, log });
  scope.onClose(() => socket.close());
  await until('the socket is open', () => socket.isOpen);
  const signal = () => AbortSignal.timeout(TIMEOUT_MS);
  return {
    submit: async (graph) => {
      const promptId = randomUUID();
      await client.submit(graph(promptId), { promptId, clientId: socket.clientId, signal: signal() });
      return promptId;
    },
    interrupt: (promptId) => client.interrupt(promptId, signal()),
    hasEnded: async (promptId) => (await client.history(promptId, signal())) !== undefined,
  };
}

/** Submits to each GPU its share of the prompts at once, which is the best that can be done with these GPUs. */
export async function directFeed(scope: Scope, urls: readonly string[]): Promise<Feed> {
  const gpus = await Promise.all(urls.map((url) => connectDirectly(scope, url)));
  let colour = 0;
  let submitted: { gpu: Direct; promptId: string }[] = [];
  const submit = async (gpu: Direct, text: string) => {
    colour += 1;
    const color = colour;
    return { gpu, promptId: await gpu.submit((prefix) => emptyImageGraph({ text, color, prefix })) };
  };
  return {
    occupy: async () => {
      const held = await Promise.all(gpus.map((gpu) => submit(gpu, 'holding')));
      return async () => {
        await Promise.all(held.map(({ gpu, promptId }) => gpu.interrupt(promptId)));
      };
    },
    submit: async (count) => {
      const tag = `direct ${randomUUID()}`;
      submitted = [];
      await inParallel(count, AT_ONCE, async (index) => {
        submitted.push(await submit(gpus[index % gpus.length] as Direct, tag));
      });
      return tag;
    },
    done: async () => {
      for (const { gpu, promptId } of submitted) {
        await until('a prompt has ended', () => gpu.hasEnded(promptId), { withinMs: TIMEOUT_MS, everyMs: 100 });
      }
    },
  };
}

const SUBMITTED_AT_ONCE = 8;

/** Submits through POST /generate, as callers do. */
export function serviceFeed(url: string, gpus: number): Feed {
  const jobs = jobClient(url);
  let colour = 0;
  let submitted: string[] = [];
  const submit = async (text: string) => {
    colour += 1;
    return (await jobs.generate(smallJob(text, colour))).id;
  };
  return {
    occupy: async () => {
      const held = await Promise.all(Array.from({ length: gpus }, () => submit('holding')));
      return async () => {
        await Promise.all(held.map((id) => jobs.cancel(id)));
      };
    },
    submit: async (count) => {
      const tag = `job ${randomUUID()}`;
      submitted = [];
      await inParallel(count, SUBMITTED_AT_ONCE, async () => {
        submitted.push(await submit(tag));
      });
      return tag;
    },
    done: async () => {
      // The measurement ends with the last job. The others are checked afterwards.
      await jobs.ended(submitted.at(-1) as string);
      await inParallel(submitted.length, SUBMITTED_AT_ONCE, async (index) => {
        const { id, status, error } = await jobs.ended(submitted[index] as string);
        if (status !== 'succeeded') throw new Error(`job ${id} ended as ${status}: ${JSON.stringify(error)}`);
      });
    },
  };
}

const EVERY_MS = 1000;

/**
 * Does what most scripts do: submits a prompt, polls every second until it is done, and submits the next one. Resolves
 * when all are done, to a text that is in all their graphs.
 */
export function pollClient(all: Scope, url: string, count: number): Promise<string> {
  return all.inner(async (scope) => {
    const comfy = await connectDirectly(scope, url);
    const text = `poll ${randomUUID()}`;
    for (let color = 1; color <= count; color++) {
      const id = await comfy.submit((prefix) => emptyImageGraph({ text, color, prefix }));
      do await delay(EVERY_MS);
      while (!(await comfy.hasEnded(id)));
    }
    return text;
  });
}
