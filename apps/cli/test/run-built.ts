import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type Run, WORKFLOWS_DIR } from './run.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/** A running process of the built command line. */
export interface Running {
  /** Resolves to its next output on stdout. */
  output(): Promise<string>;
  kill: ChildProcess['kill'];
  readonly ended: Promise<Run>;
}

/** Starts the built command line with only `env` as its environment. `cwd` must not have a .env file. */
export function startBuilt(args: readonly string[], env: Readonly<Record<string, string>>, cwd: string): Running {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { WORKFLOWS_DIR, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]).then(
    ([stdout, stderr, [code]]) => ({ code, stdout, stderr }),
  );
  return {
    output: async () => `${(await once(child.stdout, 'data'))[0]}`,
    kill: (signal) => child.kill(signal),
    ended,
  };
}

/** Runs the built command line until it exits. */
export function runBuilt(args: readonly string[], env: Readonly<Record<string, string>>, cwd: string): Promise<Run> {
  return startBuilt(args, env, cwd).ended;
}
