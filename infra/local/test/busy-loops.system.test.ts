import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '@comfy-fleet/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';

const driver = fileURLToPath(new URL('./fixtures/drive-busy-loops.mjs', import.meta.url));
let dir: string;
let child: ChildProcess;
let ended: Promise<unknown[]>;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-load-'));
});
afterEach(async () => {
  child.kill('SIGKILL');
  await rm(dir, { recursive: true, force: true });
});

/** Starts a program beside the loops and answers their ids, as soon as both run. */
async function start(program: string): Promise<number[]> {
  const path = join(dir, 'program.mjs');
  // At the end: by then it listens for signals.
  await writeFile(path, `${program}\nconsole.log('begun');`);
  child = spawn(process.execPath, [driver, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  ended = once(child, 'exit');
  let printed = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  await until('it has begun', () => printed.includes('begun'));
  return (/Busy loops: ([\d ]+)/.exec(printed)?.[1] ?? '').split(' ').map(Number);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const WAITS = "setInterval(() => {}, 1000); process.on('SIGTERM', () => process.exit(7));";

it('four loops run beside a program, and end with it when it fails', async () => {
  const loops = await start('process.exitCode = 3;');
  expect(loops).toHaveLength(4);
  expect((await ended)[0]).toBe(3);
  await until('the loops have ended', () => !loops.some(isAlive));
});

it('they end after a program that is told to stop, with its exit code', async () => {
  const loops = await start(WAITS);
  expect(loops.filter(isAlive)).toHaveLength(4);
  child.kill('SIGTERM');
  expect((await ended)[0]).toBe(7);
  await until('the loops have ended', () => !loops.some(isAlive));
});

it('they also end if the process that started them is killed', async () => {
  const loops = await start('setTimeout(() => {}, 1000);');
  child.kill('SIGKILL');
  await until('the loops have ended', () => !loops.some(isAlive));
});
