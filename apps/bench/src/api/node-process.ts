import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { type Exit, ready, type Service } from '@comfy-fleet/testing';
import type { Scope } from '../gpu/scope.js';
import { keepTo } from './cores.js';

export interface NodeProcess {
  /** What Node runs, with arguments. */
  readonly args: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** As taskset names it; undefined: any. */
  readonly core: string | undefined;
  /** A file that gets what it prints: reading a pipe would cost the load generator's core. */
  readonly log: string;
  /** Answers 200 when it is up. */
  readonly readyUrl: string;
}

/** Starts a Node process, alone on a core as far as this run is concerned, and waits until it is ready. */
export async function startNode(scope: Scope, { args, env, core, log, readyUrl }: NodeProcess): Promise<Service> {
  const file = openSync(log, 'a');
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', file, file] });
  closeSync(file);
  const exited = new Promise<Exit>((resolve) => {
    child.once('error', () => resolve({ code: 1, signal: null }));
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const service: Service = {
    pid: child.pid ?? 0,
    get output() {
      return readFileSync(log, 'utf8');
    },
    get exitCode() {
      return child.exitCode;
    },
    exited,
    stop: async (signal = 'SIGKILL') => {
      child.kill(signal);
      await exited;
    },
  };
  scope.onClose(() => service.stop());
  if (core !== undefined) await keepTo(core, service.pid);
  await ready(service, readyUrl);
  return service;
}
