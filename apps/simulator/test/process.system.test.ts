import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readJournal } from '../src/journal.js';
import { askJson } from './client.js';
import { plainImage, textToImage } from './graphs.js';

let dir: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'simulator-process-'));
});
afterEach(() => {
  child?.kill('SIGKILL');
  child = undefined;
  rmSync(dir, { recursive: true, force: true });
});

/** Starts the built process. Resolves with its output once it is listening or has ended. */
async function start(
  settings: object,
  env: Record<string, string> = {},
): Promise<{ readonly printed: string; readonly started: ChildProcess }> {
  const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
  const own = {
    SIMULATOR_PORT: '0',
    SIMULATOR_DIR: dir,
    SIMULATOR_SETTINGS: JSON.stringify({ journal: join(dir, 'journal.jsonl'), model_load_ms: 0, ...settings }),
  };
  const started = spawn(process.execPath, [main], { env: { ...own, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  child = started;
  let printed = '';
  const ready = new Promise<void>((resolve) => {
    started.once('close', () => resolve());
    const hear = (text: Buffer) => {
      printed += String(text);
      if (printed.includes('listening')) resolve();
    };
    started.stdout?.on('data', hear);
    started.stderr?.on('data', hear);
  });
  await ready;
  return { printed, started };
}

const urlIn = (printed: string) => /http:\/\/[\d.]+:\d+/.exec(printed)?.[0] ?? '';

describe('the simulator process', () => {
  it('finds its catalogue and its clips beside the bundle', async () => {
    const url = urlIn((await start({})).printed);
    expect(Object.keys(await askJson(url, 'GET', '/object_info'))).toHaveLength(382);
    const graph = plainImage(1);
    graph['2'] = {
      class_type: 'SaveWEBM',
      inputs: { images: ['1', 0], filename_prefix: 'film', codec: 'vp9', fps: 24, crf: 32 },
    };
    const { prompt_id: id } = await askJson(url, 'POST', '/prompt', { prompt: graph });
    const entry = async () => JSON.stringify((await askJson(url, 'GET', `/history/${id}`))[String(id)] ?? null);
    await expect.poll(entry).toContain('"filename":"film_00001_.webm"');
  });

  it('dies of a crash fault by SIGKILL, and its journal has a start without an end', async () => {
    const { printed, started } = await start({ step_ms: 1 });
    const url = urlIn(printed);
    const { prompt_id: first } = await askJson(url, 'POST', '/prompt', { prompt: plainImage(1) });
    await expect.poll(async () => (await askJson(url, 'GET', `/history/${first}`))[String(first)]).toBeDefined();
    await askJson(url, 'POST', '/simulator/faults', { kind: 'crash' });
    const died = once(started, 'exit');
    const { prompt_id: second } = await askJson(url, 'POST', '/prompt', { prompt: textToImage({ steps: 6 }) });
    expect(await died).toEqual([null, 'SIGKILL']);
    const lines = readJournal(join(dir, 'journal.jsonl'));
    expect(lines.map(({ event, prompt_id, pid }) => [event, prompt_id, pid])).toEqual([
      ['start', first, started.pid],
      ['end', first, started.pid],
      ['start', second, started.pid],
    ]);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('ends at once on %s, in the middle of a prompt', async (signal) => {
    const { printed, started } = await start({ step_ms: 600_000 });
    const url = urlIn(printed);
    await askJson(url, 'POST', '/prompt', { prompt: textToImage() });
    const exit = once(started, 'exit');
    started.kill(signal);
    expect(await exit).toEqual([0, null]);
  });

  it('names every wrong setting and exits with 1', async () => {
    const { printed, started } = await start({}, { SIMULATOR_PORT: 'x', LOG_LEVEL: 'loud' });
    expect(printed).toMatch(/SIMULATOR_PORT=x/);
    expect(printed).toMatch(/LOG_LEVEL=loud/);
    expect(started.exitCode).toBe(1);
    const { printed: second } = await start({ step_ms: -1, speed: 2 });
    expect(second).toMatch(/^SIMULATOR_SETTINGS: /);
    expect(second).toMatch(/stepMs must be >= 0/);
    expect(second).toMatch(/unknown: speed/);
  });
});
