import { until } from '@comfy-fleet/testing';
import { operatorOf } from '../behind-nginx/operator.js';
import { NAMES } from '../behind-nginx/settings.js';
import type { BalancedStack } from '../behind-nginx/stack.js';

export interface Step {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/** Times are ms since 1970. */
export interface TakenStep {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** For an instance to have a job done after its restart. */
const BACK_MS = 30_000;

/** A restart of everything, one after the other, as whoever runs it would do it: with and without what is to be told before. */
export function rollingSteps(stack: BalancedStack): Step[] {
  const operator = operatorOf(stack);
  const [drained = [], surprised = []] = [0, 1].map((rest) => NAMES.simulators.filter((_, n) => n % 2 === rest));
  return [
    ...[...NAMES.workers, ...NAMES.dispatchers].map((name) => ({ name, run: () => stack.named(name).renew() })),
    ...NAMES.apis.map((name) => ({ name: `${name}, nginx told`, run: () => renewApi(name) })),
    // Who runs nginx may just stop an api: it says that it is stopping, and only then refuses.
    ...NAMES.apis.map((name) => ({ name: `${name}, nginx not told`, run: () => stack.named(name).renew() })),
    ...drained.map((name) => ({ name: `simulator ${name}, drained`, run: () => renewDrained(name) })),
    ...surprised.map((name) => ({ name: `simulator ${name}, at work`, run: () => renewSimulator(name) })),
    { name: 'nginx, reloaded', run: () => stack.nginx.leaveOut([]) },
  ];

  /** As in Kubernetes: at the same moment it is told to stop, and taken from those who get requests. */
  async function renewApi(name: string): Promise<void> {
    await Promise.all([stack.named(name).renew(), stack.nginx.leaveOut([name])]);
    await stack.nginx.leaveOut([]);
  }

  /** Nothing is at work in it. */
  async function renewDrained(name: string): Promise<void> {
    await operator.drain(name);
    await stack.named(name).renew();
    await operator.resume(name);
    await untilItWorks(name);
  }

  /** What it was at is lost with it, and made anew. */
  async function renewSimulator(name: string): Promise<void> {
    await stack.named(name).renew();
    await untilItWorks(name);
  }

  async function untilItWorks(name: string): Promise<void> {
    const jobsDone = async () => (await operator.instance(name))?.jobs_done ?? 0;
    const before = await jobsDone();
    const isBack = async () => (await jobsDone()) > before;
    await until(`${name} has done a job again`, isBack, { withinMs: BACK_MS, everyMs: 200 });
  }
}
