import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the ports that systems assign to outgoing connections and to port 0: one of those could be taken while its
 * server starts or is down. A node of a Redis Cluster uses the port ten thousand above for its bus.
 */
const FROM = 12_000;
const TO = 20_000;
const LOOKS = 1000;
const STARTS = 5;

/**
 * A port of 127.0.0.1 on which nothing listens, and which this function returns to nobody else while this process
 * lives.
 */
export async function freePort(): Promise<number> {
  for (let looks = 0; looks < LOOKS; looks += 1) {
    const port = FROM + Math.floor(Math.random() * (TO - FROM));
    if ((await reserve(port)) && (await isFree(port))) return port;
  }
  throw new Error('there is no free port');
}

/** Several free ports. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

/**
 * Starts a server on a free port, or on another one if a process that does not reserve ports here took that one first.
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

/**
 * Processes only share the system: the process that holds the UDP port of that number has reserved the TCP port, until
 * it ends.
 */
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
