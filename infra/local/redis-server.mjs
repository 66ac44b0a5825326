import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { totalmem } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Problem } from './problem.mjs';

/** The image that docker-compose.yml uses too. */
export const REDIS_IMAGE = pinned('redis:8-alpine');

/** Every write is on disk before Redis answers, and nothing is evicted. */
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--maxmemory-policy', 'noeviction'];
/** Job records use the compact encoding although requests are longer than 64 bytes, which saves a quarter of the memory. */
const COMPACT = ['--hash-max-ziplist-value', '2048'];
const SETTINGS = [...DURABLE, ...COMPACT];

/** The share of the machine's memory that Redis may use by default. */
const MEMORY_SHARE = 0.25;

/** A quarter of the memory of this machine or container, in bytes. */
export function defaultMaxmemory(constrained = process.constrainedMemory()) {
  const memory = constrained > 0 ? Math.min(totalmem(), constrained) : totalmem();
  return `${Math.floor(memory * MEMORY_SHARE)}`;
}

/**
 * The command that runs Redis from `source` on 127.0.0.1:`port` with its file in `dir`.
 * @param {import('./redis-provision.mjs').RedisSource} source
 * @param {number} port
 * @param {string} dir
 * @param {string} [maxmemory] in Redis's notation; when the memory is full, Redis refuses writes
 * @returns {Promise<{ command: string, args: string[] }>}
 */
export async function redisLaunch(source, port, dir, maxmemory = defaultMaxmemory()) {
  mkdirSync(dir, { recursive: true });
  const settings = [...SETTINGS, '--maxmemory', maxmemory];
  if (source.kind === 'binary') {
    return { command: source.path, args: ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, ...settings] };
  }
  // After SIGKILL of `docker run`, its container still runs with this port and file.
  const name = `comfy-fleet-redis-${process.pid}`;
  await promisify(execFile)(source.path, ['rm', '--force', name], { timeout: 30_000 }).catch(() => undefined);
  const user = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`; // so that the files belong to this user
  const own = ['--name', name, '--user', user, '-p', `127.0.0.1:${port}:6379`, '-v', `${dir}:/data`];
  return {
    command: source.path,
    args: ['run', '--rm', ...own, REDIS_IMAGE, 'redis-server', '--dir', '/data', ...settings],
  };
}

/**
 * Waits until Redis answers PING with PONG: a large append-only file takes a while to load.
 * @param {() => number} port the port, which can change with each start
 * @param {AbortSignal} signal
 */
export async function redisAnswers(port, signal, withinMs = 300_000) {
  const deadline = performance.now() + withinMs;
  while ((await ping(port())) !== '+PONG') {
    if (performance.now() > deadline) throw new Problem(`Redis did not answer within ${withinMs / 1000} s.`);
    await delay(50, undefined, { signal });
  }
}

/**
 * @param {number} port
 * @returns {Promise<string>} the first line of the answer, or ''
 */
async function ping(port) {
  const socket = connect({ host: '127.0.0.1', port, timeout: 2_000 });
  try {
    return await new Promise((resolve) => {
      socket.once('connect', () => socket.write('PING\r\n'));
      socket.once('data', (chunk) => resolve(chunk.toString().split('\r\n')[0] ?? ''));
      for (const event of ['error', 'timeout', 'close']) socket.once(event, () => resolve(''));
    });
  } finally {
    socket.destroy();
  }
}

/**
 * Whether to show a line of Redis's log. Other lines are shown only if Redis dies.
 * @param {string} line
 */
export function isWorthShowing(line) {
  return (/ # /.test(line) || line.includes('Ready to accept')) && !/overcommit|ready to exit/.test(line);
}

/**
 * An image with its digest.
 * @param {string} image
 */
function pinned(image) {
  const pins = JSON.parse(readFileSync(new URL('../pins/pins.json', import.meta.url), 'utf8'));
  return `${image}@${pins.images[image]}`;
}
