import type { FleetStatus } from '@comfy-fleet/contracts';
import { until } from '@comfy-fleet/testing';
import { ask } from '../chaos/http.js';
import { apiNames, dispatcherNames, simulatorNames, workerNames } from './settings.js';
import type { Stack } from './stack.js';

export interface Step {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** For an instance to have a job done after its restart. */
const BACK_MS = 30_000;

/** A restart of everything, one after the other, as whoever runs it would do it. */
export function rollingSteps(stack: Stack): Step[] {
  return [
    ...apiNames.map((name) => ({ name: `${name}, nginx told`, run: () => renewApi(name) })),
    // Who runs nginx may just stop an api: it says that it is stopping, and only then refuses.
    ...apiNames.map((name) => ({ name: `${name}, nginx not told`, run: () => stack.named(name).renew() })),
    ...[...workerNames, ...dispatcherNames].map((name) => ({ name, run: () => stack.named(name).renew() })),
    ...simulatorNames.map((name) => ({ name: `simulator ${name}`, run: () => renewSimulator(name) })),
    { name: 'nginx, reloaded', run: () => stack.nginx.leaveOut([]) },
  ];

  /** As in Kubernetes: at the same moment it is told to stop, and taken from those who get requests. */
  async function renewApi(name: string): Promise<void> {
    await Promise.all([stack.named(name).renew(), stack.nginx.leaveOut([name])]);
    await stack.nginx.leaveOut([]);
  }

  /** What it was at is lost with it, and made anew; whoever comes next waits until it has proved itself. */
  async function renewSimulator(name: string): Promise<void> {
    await stack.named(name).renew();
    const before = await jobsDone(name);
    const isBack = async () => (await jobsDone(name)) > before;
    await until(`${name} has done a job again`, isBack, { withinMs: BACK_MS, everyMs: 200 });
  }

  async function jobsDone(name: string): Promise<number> {
    const { status, body } = await ask(`${stack.apiUrl}/fleet`, { method: 'GET', key: stack.operator.key });
    if (status !== 200) throw new Error(`GET /fleet answers ${status}: ${JSON.stringify(body)}`);
    const instances = (body as FleetStatus).workers.flatMap((worker) => worker.instances);
    return instances.find((instance) => instance.name === name)?.jobs_done ?? 0;
  }
}
