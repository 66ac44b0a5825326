import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { until } from './until.js';

export type App = 'api' | 'worker' | 'dispatcher' | 'simulator';

/** How a process ended: by itself with a code, or by a signal. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One of the apps as a real process of its own. */
export interface Service {
  readonly pid: number;
  /** Everything it has printed so far. */
  readonly output: string;
  readonly exitCode: number | null;
  /** Resolves when it ends, for whatever reason. */
  readonly exited: Promise<Exit>;
  /** Sends the signal (default SIGTERM) and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Starts `apps/<app>/dist/main.js` with nothing but `env` as its environment. It has to be built. */
export function startService(app: App, env: Readonly<Record<string, string>>): Service {
  const child: ChildProcess = spawn(process.execPath, [`apps/${app}/dist/main.js`], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  return {
    pid: child.pid ?? 0,
    get output() {
      return output;
    },
    get exitCode() {
      return child.exitCode;
    },
    exited,
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      await exited;
    },
  };
}

/** Waits until the URL answers 200, at most `withinMs`; tells what the process printed when it does not, or ended. */
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
