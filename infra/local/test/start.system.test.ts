import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, until } from '@comfy-fleet/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { publishedSettings } from '../data-lock.mjs';
import { processIdentity } from '../process-identity.mjs';
import { makeRoot, type Runner, startRunner } from './runner.js';

let root: string;
let remove: () => Promise<void>;
let runners: Runner[];

beforeEach(async () => {
  ({ root, remove } = await makeRoot());
  runners = [];
});

afterEach(async () => {
  for (const runner of runners) await stop(runner);
  await remove();
});

async function stop(runner: Runner): Promise<void> {
  if (runner.process.exitCode !== null || runner.process.signalCode !== null) return;
  runner.process.kill('SIGTERM');
  await runner.exit();
}

const start = async (env: NodeJS.ProcessEnv = {}) => {
  const runner = await startRunner(root, env);
  runners.push(runner);
  return runner;
};

const NAMES = ['worker', 'api', 'dispatcher', 'simulator'];
const READY = /comfy-fleet is ready after [\d.]+ s: {2}(http:\S+)/;
const REDIS = /redis redis:\/\/127\.0\.0\.1:(\d+) /;

/** One command to Redis in its inline form, and the first line or bulk of its answer. */
async function redis(port: string | undefined, command: string): Promise<string> {
  const socket = connect(Number(port), '127.0.0.1');
  socket.write(`${command}\r\n`);
  const answer = await new Promise<string>((resolve, reject) => {
    socket.once('data', (chunk) => resolve(chunk.toString().trim()));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
  socket.destroy();
  return answer;
}

const again = (name: string, how: string) =>
  new RegExp(`^${name} +\\| ${how}; it is started again in [\\d.]+ s. Its last lines:$`, 'gm');

/** All ports that a stand-in was given, in whichever of its lives. */
function portsIn(runner: Runner, name: string): string[] {
  const lines = runner.lines().filter((line) => line.startsWith(`${name} `) && !line.includes('|   '));
  return [...new Set(lines.flatMap((line) => / port (\d+)$/.exec(line)?.[1] ?? []))];
}

/** Of the Redis that runs now. */
async function redisPid(runner: Runner): Promise<number> {
  const port = REDIS.exec(runner.text())?.[1];
  return Number(/process_id:(\d+)/.exec(await redis(port, 'INFO server'))?.[1]);
}

describe('an npm start', () => {
  let home: string;
  let removeHome: () => Promise<void>;
  let runner: Runner;
  let url: string;
  beforeAll(async () => {
    ({ root: home, remove: removeHome } = await makeRoot());
    runner = await startRunner(home);
    url = (await runner.says(READY))[1] ?? '';
  });
  afterAll(async () => {
    await stop(runner);
    await removeHome();
  });

  it('brings up Redis, simulator, dispatcher, worker and api, and says where', async () => {
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(runner.living()).toHaveLength(8);
    expect(runner.text()).toContain('a simulator draws these pictures');
    expect(runner.text()).toMatch(
      /^worker {5}\| redis redis:\S+ comfyui http:\/\/127\.0\.0\.1:\d+ name local format pretty$/m,
    );
    expect(runner.text()).not.toContain('\x1b');
  });

  it('lets webhooks to this machine through, which only this machine can order', () => {
    for (const name of ['api', 'dispatcher']) {
      const line = runner.lines().find((each) => each.startsWith(name) && each.includes('webhooks to'));
      expect(line?.split('webhooks to ')[1]).toBe('127.0.0.0/8,localhost,::1');
    }
  });

  it('runs Redis so that an answered write is on disk', async () => {
    const [, port] = await runner.says(REDIS);
    expect(await redis(port, 'CONFIG GET appendonly')).toMatch(/yes$/);
    expect(await redis(port, 'CONFIG GET appendfsync')).toMatch(/always$/);
    expect(await redis(port, 'CONFIG GET maxmemory-policy')).toMatch(/noeviction$/);
    expect(await redis(port, 'CONFIG GET maxmemory')).toMatch(/[1-9]\d+$/);
    expect(await redis(port, 'CONFIG GET hash-max-ziplist-value')).toMatch(/2048$/);
    expect(await redis(port, 'CONFIG GET bind')).toMatch(/127\.0\.0\.1$/);
  });

  it('prints curl lines that work when they are pasted', async () => {
    await runner.says(/The next npm start/);
    const pasted = runner.lines().filter((line) => line.startsWith('  curl '));
    expect(pasted).toHaveLength(2);
    const shell = (line = '') => promisify(execFile)('bash', ['-c', line], { cwd: home });
    expect(JSON.parse((await shell(pasted[0])).stdout)).toMatchObject({ status: 'succeeded' });
    await shell(pasted[1]);
    expect(await readFile(join(home, 'picture.png'), 'utf8')).toBe('a picture');
  });

  it.each(['worker', 'api', 'dispatcher', 'simulator'])(
    'starts %s again that died, as it was, alone, with what it printed last',
    async (name) => {
      const lives = Object.fromEntries(NAMES.map((each) => [each, runner.pids(each).length]));
      const [pid] = runner.pids(name).at(-1) as [number, number];
      process.kill(pid, 'SIGKILL');
      await until(`${name} runs again`, () => runner.pids(name).length === (lives[name] ?? 0) + 1);
      expect(runner.text()).toMatch(again(name, 'was ended by SIGKILL'));
      expect(runner.text()).toMatch(new RegExp(`^${name} +\\|   pids ${pid} `, 'm'));
      await until('it answers', async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.ok);
      // no process of its first life is left, and all of its second; nothing else was started again
      await expect.poll(runner.living).toHaveLength(8);
      expect(portsIn(runner, name)).toHaveLength(1);
      for (const other of NAMES.filter((each) => each !== name)) {
        expect(runner.pids(other)).toHaveLength(lives[other] ?? 0);
      }
    },
  );

  it('starts Redis again that died, on its port, with its data', async () => {
    const port = REDIS.exec(runner.text())?.[1];
    expect(await redis(port, 'SET kept yes')).toBe('+OK');
    process.kill(await redisPid(runner), 'SIGKILL');
    const kept = () => redis(port, 'GET kept').catch(() => '');
    await until('it has its data', async () => /yes$/.test(await kept()));
    await runner.says(again('redis', 'was ended by SIGKILL'));
    expect(runner.living()).toHaveLength(8);
  });

  it('goes on when another start on the same data is refused', async () => {
    const second = await startRunner(home);
    onTestFinished(() => stop(second));
    expect(await second.exit()).toBe(1);
    expect(second.text()).toContain(
      `Another npm start (process ${runner.process.pid}) is using ${join(home, '.data')}.`,
    );
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  });
});

describe('npm start', () => {
  it('starts neither Redis nor simulator where settings name others, and leaves REDIS_URL and COMFYUI_URLS as they are', async () => {
    const runner = await start({ COMFYUI_INSTANCES_FILE: 'instances.yaml', REDIS_SENTINELS: '127.0.0.1:1' });
    await runner.says(READY);
    expect(runner.text()).toContain('redis undefined comfyui undefined ');
    expect(runner.text()).not.toMatch(REDIS);
    expect(runner.text()).not.toContain('simulator');
  });

  it('says of each ComfyUI what it is before it is ready, and shows a line with a checkpoint that is installed', async () => {
    const instances = [{ name: 'local/1', answers: true, text: 'local/1 is ComfyUI 1.2.3 and has a fox.' }];
    const checkpoint = "a fox's.safetensors";
    const told = JSON.stringify({ instances, text2img: { checkpoint } });
    const runner = await start({ COMFYUI_URLS: 'http://127.0.0.1:1', STAND_IN_LOOK: told });
    await runner.says(/The next npm start/);
    const lines = runner.lines();
    const said = lines.findIndex((line) => /^comfyui +\| local\/1 is ComfyUI 1\.2\.3 and has a fox\.$/.test(line));
    expect(runner.text()).toContain('comfyui http://127.0.0.1:1 ');
    expect(runner.text()).not.toContain('simulator');
    expect(said).toBeGreaterThan(-1);
    expect(said).toBeLessThan(lines.findIndex((line) => READY.test(line)));
    // other commands find it, although only this start has the address in its environment
    expect(publishedSettings(join(root, '.data'))).toMatchObject({
      COMFYUI_URLS: 'http://127.0.0.1:1',
      WORKER_NAME: 'local',
    });
    const curl = lines.find((line) => line.startsWith('  curl ')) ?? '';
    const { stdout } = await promisify(execFile)('bash', ['-c', curl.replace('curl', 'printf "%s\\n"')]);
    expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({ lod: 'sketch', checkpoint });
  });

  it('says that no ComfyUI can run what it shows, and looks again at those that did not answer', async () => {
    const instances = [{ name: 'local/1', answers: false, text: 'local/1 refused the connection.' }];
    const told = JSON.stringify({ instances, text2img: null });
    const looks = join(root, 'looks');
    const runner = await start({ COMFYUI_URLS: 'http://127.0.0.1:1', STAND_IN_LOOK: told, STAND_IN_LOOKS: looks });
    await runner.says(/No instance can run text2img now/);
    expect(runner.lines().filter((line) => line.endsWith('local/1 refused the connection.'))).toHaveLength(1);
    expect(await readFile(looks, 'utf8')).toBe('looked\nlooked\n');
  });

  it('takes settings from .env, those of the environment first, and says where this machine reaches an api for all', async () => {
    const [port, other] = [await freePort(), await freePort()];
    await writeFile(join(root, '.env'), `PORT=${other}\nWORKER_NAME=from-file\nLOG_FORMAT=json\nHOST=0.0.0.0\n`);
    const runner = await start({ PORT: `${port}` });
    expect((await runner.says(READY))[1]).toBe(`http://127.0.0.1:${port}`);
    expect(runner.text()).toContain('name from-file format json');
    expect(runner.text()).toMatch(/^api +\| webhooks to undefined$/m);
  });

  it('goes on with the data of the start before', async () => {
    const first = await start();
    await first.says(READY);
    const port = REDIS.exec(first.text())?.[1];
    expect(await redis(port, 'SET kept yes')).toBe('+OK');
    first.process.kill('SIGINT');
    expect(await first.exit()).toBe(0);
    const second = await start();
    await second.says(READY);
    expect(await redis(REDIS.exec(second.text())?.[1], 'GET kept')).toMatch(/yes$/);
  });
});

/** Sends Ctrl-C again and again, because one that follows the first too soon counts as the same key press. */
async function forceStop(runner: Runner): Promise<number | null> {
  const isTaken = () => runner.process.exitCode !== null || !runner.process.kill('SIGINT');
  await until('the second Ctrl-C is taken', isTaken, { everyMs: 100 });
  return runner.exit();
}

describe('what dies', () => {
  it('is not started again once Ctrl-C was pressed, also while it waits for that', async () => {
    const runner = await start({ RESTART_AFTER_MS: '60000' });
    await runner.says(READY);
    const [[pid]] = runner.pids('worker') as [[number, number]];
    process.kill(pid, 'SIGKILL');
    await runner.says(again('worker', 'was ended by SIGKILL'));
    runner.process.kill('SIGINT');
    expect(await runner.exit()).toBe(0);
    await expect.poll(runner.living).toEqual([]);
    expect(runner.pids('worker')).toHaveLength(1);
  });
});

describe('stopping', () => {
  it.each<{ signals: NodeJS.Signals[] }>([
    { signals: ['SIGINT', 'SIGINT'] },
    { signals: ['SIGTERM'] },
    { signals: ['SIGHUP'] },
  ])(
    'at $signals ends api, worker, dispatcher, simulator and Redis in this order, their children too, with exit code 0',
    async ({ signals }) => {
      const runner = await start();
      await runner.says(READY);
      const port = REDIS.exec(runner.text())?.[1];
      // npm passes on what the terminal has sent already: one key press
      for (const signal of signals) runner.process.kill(signal);
      expect(await runner.exit()).toBe(0);
      expect([...runner.text().matchAll(/^(\w+) +\| stopping$/gm)].map((match) => match[1])).toEqual([
        'api',
        'worker',
        'dispatcher',
        'simulator',
        'redis',
      ]);
      expect(runner.text()).toMatch(/^worker +\| bye$/m);
      await expect.poll(runner.living).toEqual([]);
      await expect(redis(port, 'PING')).rejects.toThrow('ECONNREFUSED');
      expect(existsSync(join(root, '.data/run.lock'))).toBe(false);
    },
  );

  it('is forced by a second Ctrl-C if a service does not end; until then Redis keeps running, and is restarted if it dies', async () => {
    const runner = await start({ STAND_IN_STAYS: 'worker' });
    await runner.says(READY);
    runner.process.kill('SIGINT');
    await runner.says(/^worker +\| staying$/m);
    process.kill(await redisPid(runner), 'SIGKILL');
    await runner.says(again('redis', 'was ended by SIGKILL'));
    await until('Redis answers', async () => (await redisPid(runner).catch(() => undefined)) !== undefined);
    expect(await forceStop(runner)).toBe(130);
    await expect.poll(runner.living).toEqual([]);
  });

  it('is possible while the services are starting', async () => {
    const runner = await start();
    await runner.says(/^redis +\| .*Ready to accept/m);
    runner.process.kill('SIGINT');
    expect(await runner.exit()).toBe(0);
    await expect.poll(runner.living).toEqual([]);
  });
});

describe('faults', () => {
  it('of a taken port: one line, exit code 1, nothing started', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as { port: number };
    const runner = await start({ PORT: `${port}` });
    expect(await runner.exit()).toBe(1);
    expect(runner.text()).toBe(
      `Port ${port} is taken. Stop what listens there, or choose another one: PORT=${port + 100}\n`,
    );
    expect(existsSync(join(root, '.data/redis'))).toBe(false);
    await new Promise((resolve) => holder.close(resolve));
  });

  it.each([
    [{ PORT: 'abc' }, 'PORT=abc: write a whole number from 0 to 65535.'],
    [{ REDIS_URL: 'localhost:6379' }, 'REDIS_URL: write it as redis://host:port or rediss://host:port'],
    [
      { REDIS_URL: 'redis://user:secret@127.0.0.1:1' },
      'REDIS_URL: nothing answers at 127.0.0.1:1. Start it, or unset REDIS_URL to let npm start run one.',
    ],
  ])('of %o: one line, exit code 1', async (env, line) => {
    const runner = await start(env);
    expect(await runner.exit()).toBe(1);
    expect(runner.text()).toBe(`${line}\n`);
  });

  it.each(['simulator', 'api'])(
    'of a %s that dies at each start: which, exit code and last lines; the rest is stopped',
    async (name) => {
      const runner = await start({ STAND_IN_DIES: name });
      expect(await runner.exit()).toBe(1);
      expect([...runner.text().matchAll(again(name, 'ended with exit code 7'))]).toHaveLength(2);
      expect(runner.text()).toMatch(
        new RegExp(`^${name} ended with exit code 7. Its last lines:\n  the reason why\n$`, 'm'),
      );
      await expect.poll(runner.living).toEqual([]);
    },
  );

  it('of a Redis that dies at each start: the rest is stopped, which it is not waited for with', async () => {
    const runner = await start();
    await runner.says(READY);
    for (let life = 0; life < 3; life += 1) {
      const pid = await until('Redis runs', async () => redisPid(runner).catch(() => undefined));
      process.kill(pid, 'SIGKILL');
      await until('Redis is dead', () => processIdentity(pid) === undefined);
    }
    expect(await runner.exit()).toBe(1);
    expect(runner.text()).toContain('redis was ended by SIGKILL. Its last lines:');
    await expect.poll(runner.living).toEqual([]);
  });

  it('of three starts in the same moment: one runs', async () => {
    const all = await Promise.all([start(), start(), start()]);
    await until('two have given up', () => all.filter((runner) => runner.process.exitCode === 1).length === 2);
    const winner = all.find((runner) => runner.process.exitCode === null);
    await winner?.says(READY);
    expect(winner?.living()).toHaveLength(8);
  });

  it('of a runner that was killed: the next start ends what it left and goes on with the data', async () => {
    const PORT = `${await freePort()}`;
    const first = await start({ PORT });
    await first.says(READY);
    const port = REDIS.exec(first.text())?.[1];
    expect(await redis(port, 'SET kept yes')).toBe('+OK');
    first.process.kill('SIGKILL');
    await first.exit();
    const second = await start({ PORT });
    await second.says(READY);
    expect(second.text()).toMatch(/^redis +\| still running since an earlier start/m);
    await expect.poll(first.living).toEqual([]);
    expect(await redis(REDIS.exec(second.text())?.[1], 'GET kept')).toMatch(/yes$/);
  });
});
