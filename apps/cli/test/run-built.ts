import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type Run, WORKFLOWS_DIR } from './run.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/** Runs the built command line with nothing but `env` as its environment, in a folder without a .env file. */
export async function runBuilt(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
): Promise<Run> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    // The AWS SDK warns of old versions of Node, of which this may be one.
    env: { WORKFLOWS_DIR, NODE_NO_WARNINGS: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code, stdout, stderr };
}
