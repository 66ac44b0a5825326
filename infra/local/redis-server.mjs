import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { totalmem } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Problem } from './problem.mjs';

/** The image that docker-compose.yml runs too. */
export const REDIS_IMAGE = pinned('redis:8-alpine');

/** Accepted means kept: every write is on disk before it is answered, and nothing is evicted. */
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--maxmemory-policy', 'noeviction'];
/** A job's record stays in one piece, although its request is longer than 64 bytes: a quarter less memory. */
const COMPACT = ['--hash-max-ziplist-value', '2048'];
const SETTINGS = [...DURABLE, ...COMPACT];

/** Part of the machine's memory that Redis may use if nobody says how much. */
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
 * @param {string} [maxmemory] as Redis takes it; when it is full Redis refuses writes instead of taking all of the memory
 * @returns {Promise<{ command: string, args: string[] }>}
 */
export async function redisLaunch(source, port, dir, maxmemory = defaultMaxmemory()) {
  mkdirSync(dir, { recursive: true });
  const settings = [...SETTINGS, '--maxmemory', maxmemory];
  if (source.kind === 'binary') {
    return { command: source.path, args: ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, ...settings] };
  }
  // whoever ends `docker run` with SIGKILL leaves its container running, on this port and this file
  const name = `comfy-fleet-redis-${process.pid}`;
  await promisify(execFile)(source.path, ['rm', '--force', name], { timeout: 30_000 }).catch(() => undefined);
  const user = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`; // so that the files stay ours
  const own = ['--name', name, '--user', user, '-p', `127.0.0.1:${port}:6379`, '-v', `${dir}:/data`];
  return {
    command: source.path,
    args: ['run', '--rm', ...own, REDIS_IMAGE, 'redis-server', '--dir', '/data', ...settings],
  };
}

/**
 * Waits until Redis answers PING with PONG: a large append-only file takes a while to load.
 * @param {() => number} port on which it is to answer by now
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
 * A line of Redis's log that a person should see; the rest is kept for the case that it dies.
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
