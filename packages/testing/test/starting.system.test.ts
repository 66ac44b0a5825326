import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import {
  freePort,
  freePorts,
  onFreePort,
  startRedisCluster,
  startRedisSentinels,
  startRedisServer,
} from '../src/index.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-starting-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true, force: true });
});

/**
 * Replaces `redis-server` by a script that records its process and, at the given start, runs shell code before the real
 * program.
 */
async function withStart(which: number, code: string): Promise<void> {
  // biome-ignore lint/style/noProcessEnv: where programs are looked for is no setting of ours
  const path = process.env.PATH ?? '';
  const script = `#!/bin/sh
port=$(printf '%s\\n' "$@" | grep -A1 -x -e --port | tail -1)
mkdir -p ${dir}/starts
echo $port >${dir}/starts/$$
# a folder can be made by one alone
n=1; while ! mkdir ${dir}/start-$n 2>/dev/null; do n=$((n + 1)); done
if [ $n = ${which} ]; then ${code}; fi
PATH='${path}' exec redis-server "$@"
`;
  await writeFile(join(dir, 'redis-server'), script);
  await chmod(join(dir, 'redis-server'), 0o755);
  vi.stubEnv('PATH', [dir, path].join(delimiter));
}

const started = () => readdir(join(dir, 'starts'));
const isAlive = (pid: string) => {
  try {
    return process.kill(Number(pid), 0);
  } catch {
    return false;
  }
};

it('returns no port twice, none in use, and none that the system assigns', async () => {
  const ports = await freePorts(200);
  expect(new Set(ports).size).toBe(200);
  expect(Math.max(...ports)).toBeLessThan(32_768);
});

it('starts a server on another port when its own is taken meanwhile', async () => {
  const rival = createServer();
  onTestFinished(() => void rival.close());
  const tried: number[] = [];
  const server = await onFreePort(async (port) => {
    tried.push(port);
    if (tried.length === 1) await once(rival.listen(port, '127.0.0.1'), 'listening');
    return startRedisServer({ port });
  });
  onTestFinished(() => server.close());
  expect(tried).toHaveLength(2);
  expect(server.port).toBe(tried[1]);
});

it('starts Redis on another port by itself', async () => {
  await withStart(1, `echo "Could not create server TCP listening socket: bind: Address already in use"; exit 1`);
  const server = await startRedisServer();
  onTestFinished(() => server.close());
  const pids = await started();
  const ports = await Promise.all(pids.map((pid) => readFile(join(dir, 'starts', pid), 'utf8')));
  expect(new Set(ports).size).toBe(2);
});

it('reports the output of a server that did not start', async () => {
  await expect(startRedisServer({ port: await freePort(), args: ['--no-such', 'thing'] })).rejects.toThrow(/no-such/);
});

it.each([
  ['a Cluster', 3, () => startRedisCluster()],
  ['Sentinels', 2, () => startRedisSentinels()],
  ['Sentinels, the last of them', 5, () => startRedisSentinels()],
])('ends what it has started of %s when start number %i fails', async (_what, which, start) => {
  await withStart(which, 'echo no memory; exit 1');
  await expect(start()).rejects.toThrow('no memory');
  const pids = await started();
  expect(pids.length).toBeGreaterThanOrEqual(which);
  expect(pids.filter(isAlive)).toEqual([]);
});
