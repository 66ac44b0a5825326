import { type AlertSubject, type InstanceAnnouncement, isInService } from '@comfy-fleet/contracts';
import { type AlertFacts, type AlertRule, DAY, MINUTE } from './rule.js';

/** How many times as long as its peers an instance may take for similar work. */
export const SLOW_FACTOR = 3;

/** Alerts about instances. */
export const INSTANCE_RULES: readonly AlertRule[] = [
  {
    name: 'InstanceDown',
    severity: 'warning',
    holdSeconds: 10 * MINUTE,
    summary: 'ComfyUI {instance} is down',
    description: '{instance} has not answered its worker for 10 minutes.',
    findSubjects: (facts) =>
      subjectsOf(
        facts,
        (instance) =>
          !isInService(instance) &&
          !facts.figures.halts.instances.has(instance.name) &&
          restsOf(instance, 'all').length === 0,
      ),
  },
  {
    name: 'InstanceWedged',
    severity: 'critical',
    holdSeconds: 2 * MINUTE,
    summary: 'ComfyUI {instance} is wedged',
    description:
      '{instance} ignores the interrupt of a prompt. ' +
      'It gets no jobs until the prompt ends or ComfyUI is restarted.',
    findSubjects: (facts) => subjectsOf(facts, ({ state }) => state === 'wedged'),
  },
  {
    name: 'InstanceOccupied',
    severity: 'warning',
    // Prompts that people run in ComfyUI's own page end sooner.
    holdSeconds: 30 * MINUTE,
    summary: 'ComfyUI {instance} is occupied by a prompt of somebody else',
    description:
      '{instance} has executed prompts that belong to no job of the fleet for 30 minutes. ' +
      'It is given only jobs that no other instance can run.',
    findSubjects: (facts) => subjectsOf(facts, ({ state }) => state === 'occupied'),
  },
  {
    name: 'InstanceRests',
    severity: 'warning',
    holdSeconds: MINUTE,
    summary: 'ComfyUI {instance} fails its jobs',
    description: '{instance} gets no work except a test job now and then, because jobs failed there with {code}.',
    findSubjects: (facts) => instancesOf(facts).flatMap((instance) => restSubject(instance, 'all')),
  },
  {
    name: 'InstanceRestsInPart',
    severity: 'warning',
    holdSeconds: 5 * MINUTE,
    summary: 'ComfyUI {instance} fails some of its jobs',
    description:
      '{instance} does not get jobs with some workflows or checkpoints, because such jobs failed there with {code}.',
    findSubjects: (facts) => instancesOf(facts).flatMap((instance) => restSubject(instance, 'part')),
  },
  {
    name: 'InstanceSlow',
    severity: 'warning',
    holdSeconds: 15 * MINUTE,
    summary: 'ComfyUI {instance} is much slower than its peers',
    description: `{instance} takes ${SLOW_FACTOR} times as long as its peers for similar work, or longer.`,
    findSubjects: (facts) => subjectsOf(facts, ({ name }) => (facts.figures.slowness.get(name) ?? 1) >= SLOW_FACTOR),
  },
  {
    name: 'InstanceDrainedAndForgotten',
    severity: 'warning',
    holdSeconds: DAY,
    summary: 'ComfyUI {instance} has been drained for a day',
    description: '{instance} gets no work until it is resumed.',
    findSubjects: ({ figures }) => [...figures.halts.instances.keys()].map((instance) => ({ instance })),
  },
];

function instancesOf({ figures }: AlertFacts): readonly InstanceAnnouncement[] {
  return figures.workers.flatMap(({ instances }) => instances);
}

function subjectsOf(facts: AlertFacts, matches: (instance: InstanceAnnouncement) => boolean): AlertSubject[] {
  return instancesOf(facts)
    .filter(matches)
    .map(({ name }) => ({ instance: name }));
}

/** The rests of an instance that apply to all of its work, or to parts of it. */
function restsOf({ rests = [] }: InstanceAnnouncement, what: 'all' | 'part') {
  return rests.filter(({ scope }) => (Object.keys(scope).length === 0) === (what === 'all'));
}

function restSubject(instance: InstanceAnnouncement, what: 'all' | 'part'): AlertSubject[] {
  const last = restsOf(instance, what).at(-1);
  return last === undefined ? [] : [{ instance: instance.name, code: last.code }];
}
