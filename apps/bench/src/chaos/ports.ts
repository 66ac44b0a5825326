import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below what systems give to outgoing connections: there a port could be taken while its process is dead. */
const FROM = 12_000;
const TO = 30_000;

/** So many ports of 127.0.0.1 that nobody listens on. */
export async function quietPorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count && tries < 1000; tries += 1) {
    const port = FROM + Math.floor(Math.random() * (TO - FROM));
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  if (ports.size < count) throw new Error('there are not enough free ports');
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
