import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';

const RUNNER = `
import { writeFileSync } from 'node:fs';
process.on('SIGTERM', () => {
  writeFileSync('stopped', '');
  process.exit();
});
console.log('up');
setInterval(() => {}, 1000);
`;

it('npm start passes the SIGTERM that ends it on to the runner, which npm would leave behind', async () => {
  const { scripts } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8'));
  const root = await mkdtemp(join(tmpdir(), 'comfy-fleet-npm-start-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  await mkdir(join(root, 'infra/local'), { recursive: true });
  await writeFile(join(root, 'package.json'), JSON.stringify({ type: 'module', scripts: { start: scripts.start } }));
  await writeFile(join(root, 'infra/local/start.mjs'), RUNNER);
  const npm = spawn('npm', ['start', '--silent'], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  onTestFinished(() => {
    // What is left of its group, where it left the runner behind.
    if (npm.pid !== undefined) spawn('kill', ['-KILL', '--', `-${npm.pid}`]);
  });
  const ended = once(npm, 'exit');
  await once(npm.stdout, 'data');
  npm.kill('SIGTERM');
  await ended;
  await expect.poll(() => readFile(join(root, 'stopped'), 'utf8').catch(() => undefined)).toBe('');
});
