import { newId } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { onTestFinished } from 'vitest';
import {
  type ComfyClient,
  type ComfySocket,
  connectSocket,
  type Graph,
  type HistoryEntry,
  type SocketEvent,
} from '../../src/index.js';
import { never } from '../support/client.js';

const PATIENCE = { withinMs: 60_000 };

/** Submits and answers the prompt id. */
export async function submit(client: ComfyClient, graph: Graph, clientId: string = newId()): Promise<string> {
  const promptId = newId();
  await client.submit(graph, { promptId, clientId, signal: never() });
  return promptId;
}

/** Polls without a pause until the prompt has ended; fails if it is ever in neither queue nor history. */
export async function ended(client: ComfyClient, promptId: string): Promise<HistoryEntry> {
  const look = async () => {
    const found = await client.find(promptId, never());
    if (found.state === 'absent') throw new Error('the prompt is in neither queue nor history');
    return found.state === 'ended' ? found.entry : undefined;
  };
  return until('the prompt has ended', look, PATIENCE);
}

export async function run(client: ComfyClient, graph: Graph): Promise<HistoryEntry> {
  return ended(client, await submit(client, graph));
}

/** Waits until that prompt is running. */
export async function running(client: ComfyClient, promptId: string): Promise<void> {
  const look = async () => (await client.find(promptId, never())).state === 'running';
  await until('the prompt is running', look, PATIENCE);
}

export interface Listener {
  readonly socket: ComfySocket;
  readonly events: SocketEvent[];
  readonly states: boolean[];
  /** Waits for an event of that type, for that prompt. */
  heard(type: SocketEvent['type'], promptId: string): Promise<SocketEvent>;
}

/** An open socket that collects its events, closed when the test is over. */
export async function listen(baseUrl: string, headers: Readonly<Record<string, string>> = {}): Promise<Listener> {
  const events: SocketEvent[] = [];
  const states: boolean[] = [];
  const socket = connectSocket({
    baseUrl,
    instance: 'gpu/1',
    headers,
    timeoutMs: 60_000,
    pingMs: 5000,
    onEvent: (event) => events.push(event),
    onState: (open) => states.push(open),
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  onTestFinished(() => socket.close());
  // ComfyUI registers the client id with the first frame, not at the handshake.
  await until('the first frame', () => events[0]);
  const heard = (type: SocketEvent['type'], promptId: string) =>
    until(
      `${type} of ${promptId}`,
      () => events.find((event) => event.type === type && 'promptId' in event && event.promptId === promptId),
      PATIENCE,
    );
  return { socket, events, states, heard };
}
