import { dispatcherOn, onFreePort, ready, type Service, startService } from '@comfy-fleet/testing';
import { onTestFinished } from 'vitest';

const SETTINGS = { REDIS_TIMEOUT_MS: '30000', LOCK_MS: '1000', WEBHOOK_ALLOW: '127.0.0.0/8' };

/** Starts a dispatcher without an api beside it, and waits until it is ready; killed when the test is done. */
export async function startDispatcher(env: Readonly<Record<string, string>>): Promise<Service> {
  return onFreePort(async (port) => {
    const start = dispatcherOn(port);
    const service = startService(start.app, { ...SETTINGS, ...start.env, ...env });
    onTestFinished(() => service.stop('SIGKILL'));
    await ready(service, `${start.healthUrl}/readyz`);
    return service;
  });
}
