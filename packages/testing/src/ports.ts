import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below what systems give to outgoing connections and to who asks for any port: there one could be taken while its
 * server is about to start, or dead. Ten thousand above each is where a node of a Redis Cluster has its bus.
 */
const FROM = 12_000;
const TO = 20_000;
const LOOKS = 1000;
const STARTS = 5;

/** A port of 127.0.0.1 that nobody listens on, and that nobody else is given here while this process lives. */
export async function freePort(): Promise<number> {
  for (let looks = 0; looks < LOOKS; looks += 1) {
    const port = FROM + Math.floor(Math.random() * (TO - FROM));
    if ((await reserve(port)) && (await isFree(port))) return port;
  }
  throw new Error('there is no free port');
}

/** So many of them. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

/**
 * Starts a server on a free port; on another one if it rejects because somebody else, who does not ask here, took that
 * one first.
 */
export async function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let starts = 1; ; starts += 1) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (starts === STARTS || !/address already in use/i.test(String(error))) throw error;
    }
  }
}

/** Processes share nothing but the system: who has the UDP port of that number has the TCP port reserved, until it ends. */
async function reserve(port: number): Promise<boolean> {
  const mark = createSocket('udp4').unref();
  try {
    mark.bind({ port, address: '127.0.0.1', exclusive: true });
    await once(mark, 'listening');
    return true;
  } catch {
    mark.close();
    return false;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    await new Promise((resolve) => server.close(resolve));
    return true;
  } catch {
    return false;
  }
}
