import { randomUUID } from 'node:crypto';
import { connectSocket, createComfyClient, type Graph } from '@comfy-fleet/comfyui';
import { until } from '@comfy-fleet/testing';
import { emptyImageGraph } from '../../lib/empty-image.js';
import { inParallel } from '../../lib/in-parallel.js';
import type { Scope } from '../../lib/scope.js';
import type { Feed } from './feed.js';

const TIMEOUT_MS = 60_000;
const AT_ONCE = 8;

/** One ComfyUI without anything in between: what `POST /prompt` and an open socket give. */
export interface Direct {
  /** Answers the prompt's id. */
  submit(graph: (promptId: string) => Graph): Promise<string>;
  interrupt(promptId: string): Promise<void>;
  hasEnded(promptId: string): Promise<boolean>;
}

/** Answers when the socket is open: ComfyUI has to send its frames to somebody, as it has to with the service. */
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

/** Gives each GPU its share of the prompts at once: the most that these GPUs can do. */
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
