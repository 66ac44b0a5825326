import { INSTANCE_STATES, isInService } from '@comfy-fleet/contracts';
import type { Metrics } from '@comfy-fleet/telemetry';
import { type Instruments, OUTCOMES } from '../instruments.js';
import { KINDS } from '../job/cross-check.js';
import type { Slots } from '../slots/slots.js';
import type { StoreWatch } from '../store-watch.js';

interface Sources {
  readonly metrics: Metrics;
  readonly instruments: Instruments;
  readonly allSlots: readonly Slots[];
  readonly store: Pick<StoreWatch, 'fault'>;
}

/** Registers the metrics for the state of the instances and of the store. */
export function registerGauges({ metrics, instruments, allSlots, store }: Sources): void {
  const { prompts, faults, switches, loads, loadSeconds, loadsAvoided } = instruments;
  const up = metrics.gauge({
    name: 'instance_up',
    help: '1 while the ComfyUI instance can be given work, 0 while it is down or has not answered yet.',
    labels: ['instance'],
  });
  const states = metrics.gauge({
    name: 'instance_state',
    help: '1 for the current state of the instance, 0 for the others; resting: it failed too often, wedged: its prompt ignores interrupts, warming: it runs the warm-up, occupied: it executes a prompt that belongs to no job.',
    labels: ['instance', 'state'],
  });
  const busy = metrics.counter({
    name: 'instance_busy_seconds_total',
    help: 'Time in which the instance executed a prompt of this worker, from its start event to its end, without times when it was down.',
    labels: ['instance'],
  });
  const storing = metrics.gauge({
    name: 'storage_up',
    help: '1 while this worker can store pictures; 0: it claims no jobs until it can.',
  });
  const transitions = metrics.counter({
    name: 'instance_transitions_total',
    help: 'How often the instance became up, down, resting, wedged, warming or occupied, including the first time.',
    labels: ['instance', 'to'],
  });
  const rests = metrics.gauge({
    name: 'instance_rests',
    help:
      'What the instance is not given because jobs failed there, except to try it again. scope all: 1 while it is given ' +
      'nothing; scope part: how many workflows, checkpoints and API keys. code: that of the last error, or none.',
    labels: ['instance', 'scope', 'code'],
  });
  for (const { instance } of allSlots) {
    instance.events.on('health', () => transitions.inc({ instance: instance.name, to: instance.health.state }));
    // Counters start at 0, because a rate needs a value before the first increase.
    for (const outcome of OUTCOMES) prompts.inc({ instance: instance.name, outcome }, 0);
    for (const code of Object.keys(KINDS)) faults.inc({ instance: instance.name, code }, 0);
    for (const to of ['up', 'down', 'resting', 'wedged', 'warming', 'occupied'])
      transitions.inc({ instance: instance.name, to }, 0);
    for (const counter of [switches, loads, loadSeconds, loadsAvoided]) counter.inc({ instance: instance.name }, 0);
  }
  metrics.beforeScrape(() => {
    storing.set(store.fault === undefined ? 1 : 0);
    busy.reset();
    rests.reset();
    for (const { instance, meter } of allSlots) {
      up.set({ instance: instance.name }, isInService(instance.health) ? 1 : 0);
      for (const state of INSTANCE_STATES) {
        states.set({ instance: instance.name, state }, instance.health.state === state ? 1 : 0);
      }
      for (const scope of ['all', 'part'] as const) {
        const own = instance.health.rests.filter(
          (rest) => (Object.keys(rest.scope).length === 0) === (scope === 'all'),
        );
        rests.set({ instance: instance.name, scope, code: own.at(-1)?.code ?? 'none' }, own.length);
      }
      busy.inc({ instance: instance.name }, meter.busy.total(performance.now()) / 1000);
    }
  });
}
