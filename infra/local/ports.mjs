import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { Problem } from './problem.mjs';

/** Below the range that systems use for outgoing connections and port 0, which could take the port of a process that restarts. */
const FROM = 30_000;
const TO = 32_700;
const ATTEMPTS = 1_000;

/**
 * The port of a process that may be restarted.
 * @typedef {{ next(): Promise<number>, keep(): void, readonly number: number }} Port
 */

/**
 * @param {number} wanted 0 for a free port. Another process may take that port first, so each start gets a new one from `next`
 *   until `keep` reports that the process listens
 * @param {string} host
 * @returns {Port}
 */
export function portFor(wanted, host = '127.0.0.1') {
  let isKept = wanted !== 0;
  let number = wanted;
  return {
    async next() {
      if (!isKept) number = await freePort(host);
      return number;
    },
    keep: () => {
      isKept = true;
    },
    get number() {
      return number;
    },
  };
}

/** @param {string} host */
async function freePort(host) {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = FROM + Math.floor(Math.random() * (TO - FROM));
    if (await isAvailable(host, port)) return port;
  }
  throw new Problem(`There is no free port from ${FROM} to ${TO} on ${host}.`);
}

/**
 * @param {string} host
 * @param {number} port
 */
async function isAvailable(host, port) {
  const server = createServer().listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EADDRINUSE') return false;
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}

/**
 * Throws a Problem if another process listens on the port, or if it cannot be used.
 * @param {string} variable the setting to change, for the message
 * @param {string} host
 * @param {number} port
 */
export async function requireFree(variable, host, port) {
  const taken = new Problem(
    `Port ${port} is taken. Stop what listens there, or choose another one: ${variable}=${port + 100}`,
  );
  if (await listens(reachable(host), port)) throw taken;
  const isFree = await isAvailable(host, port).catch((error) => {
    throw new Problem(`${variable}=${port} on ${host} cannot be used: ${error.message}`);
  });
  if (!isFree) throw taken;
}

/**
 * Whether a server accepts TCP connections on the port.
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
 * The address at which a server that listens on `host` is reached from this machine.
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
