import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort, removeFolder, until } from '@comfy-fleet/testing';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

const run = promisify(execFile);
const NPM = fileURLToPath(new URL('..', import.meta.url));
const MOST_BYTES = 15_000_000;
const PNG = '89504e47';

let folder: string;
let tarball: string;

/** An empty folder and an empty cache of npm, and no settings of this machine. */
beforeAll(async () => {
  await run(process.execPath, [join(NPM, 'pack.mjs')]);
  const [name = ''] = (await readdir(join(NPM, 'dist'))).filter((file) => /^comfy-fleet-\d.*\.tgz$/.test(file));
  tarball = join(NPM, 'dist', name);
  folder = await mkdtemp(join(tmpdir(), 'comfy-fleet-npm-'));
  await run('npm', ['install', '--no-audit', '--no-fund', '--cache', join(folder, 'cache'), tarball], { cwd: folder });
});
afterAll(() => removeFolder(folder));

const program = () => join(folder, 'node_modules/.bin/comfy-fleet');

function environment(more: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env;
  return { PATH, HOME, ...more };
}

const cli = async (...args: string[]) => (await run(program(), args, { cwd: folder, env: environment({}) })).stdout;

/** Starts everything, and resolves once it is ready. */
async function start(
  env: NodeJS.ProcessEnv,
  command = [program(), 'start'],
): Promise<{ child: ChildProcess; text: () => string }> {
  const [file = '', ...args] = command;
  const child = spawn(file, args, {
    cwd: folder,
    env: environment({ SIMULATOR_SETTINGS: '{"step_ms":2,"model_load_ms":0}', ...env }),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGTERM'));
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await until('it is ready', () => {
    if (child.exitCode !== null) throw new Error(`it ended:\n${text}`);
    return text.includes('comfy-fleet is ready');
  });
  return { child, text: () => text };
}

async function interrupt(child: ChildProcess): Promise<number | null> {
  const ended = once(child, 'exit');
  child.kill('SIGINT');
  return (await ended)[0];
}

describe('the npm package comfy-fleet', () => {
  it('is small, and brings nothing that runs when it is installed', async () => {
    expect((await stat(tarball)).size).toBeLessThan(MOST_BYTES);
    const libraries = await readdir(join(folder, 'node_modules'));
    expect(libraries).toContain('sharp');
    expect(libraries).not.toContain('@scarf');
  });

  it('starts everything, makes a picture, and has its job again after a restart', async () => {
    const env = { PORT: `${await freePort()}` };
    const first = await start(env);
    expect(first.text()).toContain('npx comfy-fleet generate');
    const lines = (await cli('generate', 'a fox', '--lod', 'sketch', '-o', 'fox.png')).trim().split('\n');
    const [id] = lines.flatMap((line) => JSON.parse(line).data.job ?? []);
    expect((await readFile(join(folder, 'fox.png'))).toString('hex', 0, 4)).toBe(PNG);
    const url = `http://127.0.0.1:${env.PORT}`;
    for (const path of ['/studio/', '/docs/', '/docs/swagger-ui-bundle.js', '/admin/queues/']) {
      expect([path, (await fetch(url + path)).status]).toEqual([path, 200]);
    }
    expect(await cli('doctor')).toContain(', 0 failed');
    expect(await interrupt(first.child)).toBe(0);

    const second = await start(env);
    expect(JSON.parse(await cli('get', id))).toMatchObject({ id, status: 'succeeded' });
    expect(await interrupt(second.child)).toBe(0);
    expect((await readdir(folder)).filter((name) => name !== 'node_modules')).toEqual(
      expect.arrayContaining(['.comfy-fleet', 'fox.png']),
    );
    expect((await readdir(join(folder, '.comfy-fleet'))).sort()).toEqual(['frames', 'redis', 'simulator']);
  });

  it('stops when npx is ended, which leaves it behind', async () => {
    const { child } = await start({ PORT: '0' }, ['npx', '--offline', 'comfy-fleet', 'start']);
    child.kill('SIGTERM');
    await expect.poll(() => readdir(join(folder, '.comfy-fleet'))).not.toContain('run.lock');
  });

  it('refuses wrong settings before it starts anything', async () => {
    const env = environment({ FRAMES_STORE: 'tape', PORT: '0' });
    const refused = await run(program(), ['start'], { cwd: folder, env }).catch((error) => error);
    expect(refused.code).toBe(1);
    expect(refused.stdout).toMatch(/^Some settings are wrong:\n {2}FRAMES_STORE=tape: must be one of /);
  });
});
