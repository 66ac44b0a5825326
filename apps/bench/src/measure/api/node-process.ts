import { ready, type Service, startProgram } from '@comfy-fleet/testing';
import type { Scope } from '../../lib/scope.js';
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
  const service = startProgram(process.execPath, args, { env, log });
  scope.onClose(() => service.stop('SIGKILL'));
  if (core !== undefined) await keepTo(core, service.pid);
  await ready(service, readyUrl);
  return service;
}
