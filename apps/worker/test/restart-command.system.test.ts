import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { commandEnvironment } from '@comfy-fleet/config';
import { queueOf, until } from '@comfy-fleet/testing';
import { expect, it } from 'vitest';
import { runRestartCommand } from '../src/upkeep/restarter.js';
import { aFolder, aGpu, openStack } from './worker-stack.js';

const ENVIRONMENT = commandEnvironment();

it('passes information to a command in its environment, where a shell executes nothing', async () => {
  const evil = join(await aFolder(), 'evil');
  const COMFY_FLEET_REASON = `'; touch ${evil}; echo "$(touch ${evil})\`touch ${evil}\``;
  const environment = { ...ENVIRONMENT, COMFY_FLEET_REASON };
  const command = 'printf %s "$COMFY_FLEET_REASON"; printf %s $COMFY_FLEET_REASON > /dev/null; exit 3';
  const result = await runRestartCommand({ command, environment, timeoutMs: 60_000 });
  expect(result).toEqual({ code: 3, timedOut: false, output: COMFY_FLEET_REASON });
  await expect(access(evil)).rejects.toThrow('ENOENT');
});

it("keeps the end of a command's output", async () => {
  const command = `"${process.execPath}" -e "console.log('x'.repeat(1e6) + 'the end')"`;
  const { output } = await runRestartCommand({ command, environment: ENVIRONMENT, timeoutMs: 60_000 });
  expect([output.length < 2100, output.endsWith('xthe end')]).toEqual([true, true]);
});

it('kills a command that takes too long, with all processes that it started', async () => {
  const pidFile = join(await aFolder(), 'pid');
  const sleeper = `"${process.execPath}" -e "require('fs').writeFileSync(process.argv[1], String(process.pid)); setInterval(() => {}, 1000)" ${pidFile}`;
  const running = runRestartCommand({ command: `${sleeper} & wait`, environment: ENVIRONMENT, timeoutMs: 3000 });
  expect(await running).toMatchObject({ code: undefined, timedOut: true });
  const pid = await readFile(pidFile, 'utf8').catch(() => undefined);
  // On a slow machine it may not have written the file yet.
  if (pid !== undefined) await until('it is gone', () => !isAlive(Number(pid)));
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Rules whose command only writes into a file, and the content of that file. */
async function writtenDown() {
  const file = join(await aFolder(), 'restarted');
  const restart = {
    command: `printf '%s|%s|%s\n' "$COMFY_FLEET_INSTANCE" "$COMFY_FLEET_URL" "$COMFY_FLEET_REASON" >> "$TARGET"`,
    environment: { ...ENVIRONMENT, TARGET: file },
    timeoutMs: 60_000,
    waitMs: 60_000,
    mostPerHour: 2,
  };
  const said = () =>
    until('it was run', async () => {
      const text = await readFile(file, 'utf8').catch(() => '');
      return text.endsWith('\n') && text;
    });
  return { restart, said };
}

it('restarts a hung instance with the command, which gets name and code, but no text that a shell could execute', async () => {
  const stack = await openStack();
  const gpu = await aGpu();
  gpu.faults.add({ kind: 'hang', ignoresInterrupts: true, times: 1 });
  const { restart, said } = await writtenDown();
  const worker = await stack.startWorker('w', [gpu.url], { tools: { interruptGraceMs: 300 }, restart });
  const id = await stack.submit();
  await until('it executes', async () => (await queueOf(gpu)).running[0]);
  await stack.cancel(id);
  expect(await said()).toMatch(/^w\/1\|http:\/\/127\.0\.0\.1:\d+\|timed_out\n$/);
  gpu.drop();
  await until('it is up', async () => (await worker.instance(1))?.state === 'up');
  expect(await stack.ended(id)).toMatchObject({ status: 'canceled' });
  expect(await stack.ended(await stack.submit({ seed: '2' }))).toMatchObject({ status: 'succeeded' });
});

it('gives the command only the code, not the text of the error, when the GPU fails', async () => {
  const stack = await openStack();
  const gpu = await aGpu();
  gpu.faults.add({ kind: 'node_error', exceptionType: 'RuntimeError', message: 'CUDA error: `reboot`' });
  const { restart, said } = await writtenDown();
  await stack.startWorker('w', [gpu.url], { restart });
  await stack.submit();
  expect(await said()).toMatch(/^w\/1\|http:\/\/127\.0\.0\.1:\d+\|gpu_failed\n$/);
});
