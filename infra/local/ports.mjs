import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { Problem } from './problem.mjs';

/** A port that was free a moment ago. */
export async function freePort(host = '127.0.0.1') {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  return address.port;
}

/**
 * Throws a Problem when something listens on the port already, or when it may not be used.
 * @param {string} variable the setting to change, for the message
 * @param {string} host
 * @param {number} port
 */
export async function requireFree(variable, host, port) {
  const taken = new Problem(
    `Port ${port} is taken. Stop what listens there, or choose another one: ${variable}=${port + 100} npm start`,
  );
  if (await listens(reachable(host), port)) throw taken;
  const server = createServer().listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code === 'EADDRINUSE') throw taken;
    throw new Problem(`${variable}=${port} on ${host} cannot be used: ${message}`);
  }
  server.close();
  await once(server, 'close');
}

/**
 * Whether a TCP connection is accepted.
 * @param {string} host
 * @param {number} port
 * @returns {Promise<boolean>}
 */
export async function listens(host, port, withinMs = 2_000) {
  const socket = connect({ host, port, timeout: withinMs });
  try {
    return await new Promise((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('timeout', () => resolve(false));
    });
  } finally {
    socket.destroy();
  }
}

/**
 * Where a server that listens on `host` is reached from this machine.
 * @param {string} host
 */
function reachable(host) {
  return host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
}

/**
 * @param {string} host
 * @param {number} port
 */
export function httpUrl(host, port) {
  const name = reachable(host);
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
