import { ready, type Service } from '@comfy-fleet/testing';
import type { Scope } from '../../lib/scope.js';
import { keepTo } from './cores.js';

export interface Pinned {
  /** As taskset names it; undefined: any. */
  readonly core: string | undefined;
  /** Answers 200 when it is up. */
  readonly readyUrl: string;
}

/** Leaves a process alone on a core, as far as this run is concerned, until the scope ends it, and waits until it is ready. */
export async function pin(scope: Scope, service: Service, { core, readyUrl }: Pinned): Promise<void> {
  scope.onClose(() => service.stop('SIGKILL'));
  if (core !== undefined) await keepTo(core, service.pid);
  await ready(service, readyUrl);
}
