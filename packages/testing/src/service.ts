import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { until } from './lifecycle.js';

/** How a process ended: with an exit code, or by a signal. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A program running as a process. */
export interface Service {
  readonly pid: number;
  /** Everything it has printed so far. */
  readonly output: string;
  readonly exitCode: number | null;
  /** Resolves when it has started; rejects when the program does not exist. */
  readonly begun: Promise<unknown>;
  /** Resolves when it ends, for whatever reason. */
  readonly exited: Promise<Exit>;
  signal(signal: NodeJS.Signals): void;
  /** Sends the signal (default SIGTERM) and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface ProgramOptions {
  /** Its whole environment; by default that of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** A file for its output. Reading a pipe costs this process time, which a measurement cannot spare. */
  readonly log?: string;
  /** Its working folder; by default the root of this repository. */
  readonly cwd?: string;
}

const root = fileURLToPath(new URL('../../../', import.meta.url));

export function startProgram(
  command: string,
  args: readonly string[],
  { env, log, cwd = root }: ProgramOptions = {},
): Service {
  const file = log === undefined ? undefined : openSync(log, 'a');
  const child: ChildProcess = spawn(command, args, {
    cwd,
    ...(env && { env }),
    stdio: ['ignore', file ?? 'pipe', file ?? 'pipe'],
  });
  if (file !== undefined) closeSync(file);
  const begun = once(child, 'spawn');
  begun.catch(() => undefined); // awaiting it is optional
  const exited = new Promise<Exit>((resolve) => {
    child.once('error', () => resolve({ code: 1, signal: null }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
    });
  }
  return {
    pid: child.pid ?? 0,
    get output() {
      return log === undefined ? printed : readFileSync(log, 'utf8');
    },
    get exitCode() {
      return child.exitCode;
    },
    begun,
    exited,
    signal: (signal) => {
      child.kill(signal);
    },
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      await exited;
    },
  };
}

export type App = 'api' | 'worker' | 'dispatcher' | 'simulator';

/** Starts `apps/<app>/dist/main.js` below `cwd` with nothing but `env` as its environment. It has to be built. */
export function startService(
  app: App,
  env: Readonly<Record<string, string>>,
  options: Pick<ProgramOptions, 'log' | 'cwd'> = {},
): Service {
  return startProgram(process.execPath, [`apps/${app}/dist/main.js`], { env, ...options });
}

/**
 * Waits until the URL answers 200, at most `withinMs`. If the process ends or does not answer, throws with its output.
 */
export async function ready(service: Service, url: string, withinMs = 120_000): Promise<void> {
  await until(
    `${url} answers 200`,
    async () => {
      if (service.exitCode !== null) throw new Error(`ended with ${service.exitCode}: ${service.output}`);
      const answer = await fetch(url, { signal: AbortSignal.timeout(5000) }).catch(() => undefined);
      return answer?.status === 200;
    },
    { withinMs, everyMs: 50 },
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${service.output}`);
  });
}
