import { type AlertSubject, type InstanceAnnouncement, isInService } from '@comfy-fleet/contracts';
import { type AlertFacts, type AlertRule, DAY, MINUTE, rule } from './rule.js';

/** GPUs do not do what they should. */
export const INSTANCE_RULES: readonly AlertRule[] = [
  rule({
    name: 'InstanceDown',
    severity: 'warning',
    holdSeconds: 10 * MINUTE,
    summary: 'ComfyUI {instance} is down',
    of: (facts) =>
      instancesOf(facts)
        .filter((instance) => !isInService(instance))
        .filter(
          (instance) => !facts.figures.halts.instances.has(instance.name) && restsOf(instance, 'all').length === 0,
        )
        .map(named),
  }),
  rule({
    name: 'InstanceWedged',
    severity: 'critical',
    holdSeconds: 2 * MINUTE,
    summary: 'ComfyUI {instance} is wedged',
    of: (facts) =>
      instancesOf(facts)
        .filter(({ state }) => state === 'wedged')
        .map(named),
  }),
  rule({
    name: 'InstanceOccupied',
    severity: 'warning',
    // A prompt that somebody runs in ComfyUI's own page ends sooner.
    holdSeconds: 30 * MINUTE,
    summary: 'ComfyUI {instance} is occupied by a prompt of somebody else',
    of: (facts) =>
      instancesOf(facts)
        .filter(({ state }) => state === 'occupied')
        .map(named),
  }),
  rule({
    name: 'InstanceRests',
    severity: 'warning',
    holdSeconds: MINUTE,
    summary: 'ComfyUI {instance} fails what it is given',
    of: (facts) => instancesOf(facts).flatMap((instance) => restSubject(instance, 'all')),
  }),
  rule({
    name: 'InstanceRestsInPart',
    severity: 'warning',
    holdSeconds: 5 * MINUTE,
    summary: 'ComfyUI {instance} fails a part of its work',
    of: (facts) => instancesOf(facts).flatMap((instance) => restSubject(instance, 'part')),
  }),
  rule({
    name: 'InstanceSlow',
    severity: 'warning',
    holdSeconds: 15 * MINUTE,
    limits: [3],
    summary: 'ComfyUI {instance} is much slower than its peers',
    of: (facts, [factor]) =>
      instancesOf(facts)
        .filter(({ name }) => (facts.figures.slowness.get(name) ?? 1) >= factor)
        .map(named),
  }),
  rule({
    name: 'InstanceDrainedAndForgotten',
    severity: 'warning',
    holdSeconds: DAY,
    summary: 'ComfyUI {instance} has been drained for a day',
    of: ({ figures }) => [...figures.halts.instances.keys()].map((instance) => ({ instance })),
  }),
];

function instancesOf({ figures }: AlertFacts): readonly InstanceAnnouncement[] {
  return figures.workers.flatMap(({ instances }) => instances);
}

function named({ name }: InstanceAnnouncement): AlertSubject {
  return { instance: name };
}

/** What of its work it is not given: all, or parts of it. */
function restsOf({ rests = [] }: InstanceAnnouncement, what: 'all' | 'part') {
  return rests.filter(({ scope }) => (Object.keys(scope).length === 0) === (what === 'all'));
}

function restSubject(instance: InstanceAnnouncement, what: 'all' | 'part'): AlertSubject[] {
  const last = restsOf(instance, what).at(-1);
  return last === undefined ? [] : [{ instance: instance.name, code: last.code }];
}
