import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { takeData } from '../data-lock.mjs';
import { processIdentity } from '../process-identity.mjs';

const driver = fileURLToPath(new URL('./fixtures/drive-program.mjs', import.meta.url));
const ECHO = "console.log(process.argv.slice(2).join('|')); console.error('for people'); process.exitCode = 3;";
const STAYS = 'console.log(process.pid); setInterval(() => {}, 1000);';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'comfy-fleet-run-program-'));
  await mkdir(join(root, 'apps/some/dist'), { recursive: true });
});

afterEach(() => rm(root, { recursive: true, force: true }));

async function start(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  await writeFile(join(root, 'apps/some/dist/main.js'), program);
  return spawn(process.execPath, [driver, root, ...args], {
    env: { ...process.env, COMFYUI_URLS: undefined, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = await start(program, args, env);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { stdout, stderr, code };
}

describe('npm run cli, keys, doctor and workflows', () => {
  it('gives the program the addresses that a running npm start chose, unless they are set', async () => {
    await mkdir(join(root, '.data'));
    const lock = takeData(join(root, '.data'), 'npm start');
    lock.publish({ COMFYUI_URLS: 'http://127.0.0.1:1', REDIS_URL: 'redis://127.0.0.1:2' });
    const shows = 'console.log(process.env.COMFYUI_URLS, process.env.REDIS_URL)';
    const { stdout } = await run(shows, ['check'], { REDIS_URL: 'redis://elsewhere' });
    expect(stdout).toBe('http://127.0.0.1:1 redis://elsewhere\n');
  });

  it('gives the program its arguments, and nothing but what it writes is written', async () => {
    expect(await run(ECHO, ['create', 'acme', '--weight', '2'])).toEqual({
      stdout: 'create|acme|--weight|2\n',
      stderr: 'for people\n',
      code: 3,
    });
  });

  it('shows what building said when it fails, on stderr, and does not run the program', async () => {
    const { stdout, stderr, code } = await run(ECHO, ['list'], { BUILD_ENDS: '7' });
    expect({ stdout, code }).toEqual({ stdout: '', code: 1 });
    expect(stderr).toMatch(/^build +\| building\nbuild ended with exit code 7\.\n$/);
  });

  it('ends the program when it is stopped, with exit code 130', async () => {
    const child = await start(STAYS, ['list']);
    const ended = once(child, 'exit');
    const [pid] = await once(child.stdout, 'data');
    expect(processIdentity(Number(pid))).toBeDefined();
    child.kill('SIGTERM');
    expect((await ended)[0]).toBe(130);
    await expect.poll(() => processIdentity(Number(pid))).toBeUndefined();
  });
});
