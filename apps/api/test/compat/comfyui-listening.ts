import { once } from 'node:events';
import { until } from '@comfy-fleet/testing';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import type { TestApi } from '../api.js';

/** A message as a client of ComfyUI reads it; for a binary message, its type number and the rest. */
export type Heard =
  | { readonly type: string; readonly data: Record<string, unknown> }
  | { readonly binary: number; readonly rest: Buffer };

export interface Listening {
  readonly socket: WebSocket;
  readonly heard: readonly Heard[];
  /** Waits for a matching message, and returns all messages up to it. */
  until(type: string, data?: Readonly<Record<string, unknown>>): Promise<readonly Heard[]>;
  /** The types of all messages except `status`; binary messages have numbers. */
  story(): (string | number)[];
}

/** Opens a socket as a client of ComfyUI, and closes it when the test ends. */
export async function listenAt(
  { url }: Pick<TestApi, 'url'>,
  { key, clientId }: { readonly key?: string; readonly clientId?: string } = {},
): Promise<Listening> {
  const path = key === undefined ? '/comfyui/ws' : `/comfyui/k/${key}/ws`;
  const query = clientId === undefined ? '' : `?clientId=${clientId}`;
  const socket = new WebSocket(url.replace('http:', 'ws:') + path + query);
  onTestFinished(() => socket.terminate());
  const heard: Heard[] = [];
  socket.on('message', (data: Buffer, isBinary) => {
    heard.push(isBinary ? { binary: data.readUInt32BE(0), rest: data.subarray(4) } : JSON.parse(data.toString()));
  });
  await once(socket, 'open');
  const like = (type: string, data: Readonly<Record<string, unknown>>) => (one: Heard) =>
    'type' in one &&
    one.type === type &&
    Object.entries(data).every(([name, value]) => JSON.stringify(one.data[name]) === JSON.stringify(value));
  const listening: Listening = {
    socket,
    heard,
    until: async (type, data = {}) => {
      await until(`${type} ${JSON.stringify(data)} is heard`, () => heard.some(like(type, data)));
      return heard.slice(0, heard.findIndex(like(type, data)) + 1);
    },
    story: () => heard.map((one) => ('binary' in one ? one.binary : one.type)).filter((type) => type !== 'status'),
  };
  await listening.until('status');
  return listening;
}
