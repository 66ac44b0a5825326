import { checkpointsOf, describeLack, listed, mendLack, type Workflows } from '@comfy-fleet/workflows';
import { type Look, whatItIs } from './look-at.js';

const START = 'start ComfyUI there (python main.py --listen), or correct its address';

/** What an instance is, which workflows it can run, and what to do where it cannot: sentences. */
export function tellOf(label: string, look: Look, workflows: Workflows): string {
  if ('fault' in look) return `${look.fault} ${sentence(look.advice ?? START)}`;
  const { abilities = {}, verdicts = [] } = look;
  const checkpoints = checkpointsOf(abilities, workflows);
  // What it has in place of one that it lacks is said there.
  const isLacking = verdicts.some(({ lacks }) =>
    lacks.some((lack) => lack.input !== undefined && lack.parameter === 'checkpoint'),
  );
  const names = isLacking ? '' : ` (${listed(checkpoints)})`;
  const has = checkpoints.length === 0 ? 'no checkpoint' : `${plural(checkpoints.length, 'checkpoint')}${names}`;
  return [`${label} is ${whatItIs(look)} and ${has}.`, ...verdictSentences(verdicts)].join(' ');
}

function verdictSentences(verdicts: NonNullable<Exclude<Look, { fault: string }>['verdicts']>): string[] {
  if (verdicts.length === 0) return ['It serves no pool that any job goes to.'];
  const able = verdicts.filter(({ lacks }) => lacks.length === 0).map(({ workflow }) => workflow);
  const unable = verdicts.filter(({ lacks }) => lacks.length > 0);
  /** What is lacking, and what to do about it; what two workflows lack is said once. */
  const lacks = new Map<string, string>();
  for (const { workflow, lacks: found } of unable) {
    for (const lack of found) {
      const what = describeLack(lack);
      if (!lacks.has(what)) lacks.set(what, mendLack(lack, workflow));
    }
  }
  const names = unable.map(({ workflow }) => workflow).join(' and ');
  return [
    ...(able.length === 0 ? [] : [`It can run ${able.join(' and ')}.`]),
    ...(unable.length === 0 ? [] : [`It cannot run ${names}: it lacks ${[...lacks.keys()].join(' and ')}.`]),
    ...new Set([...lacks.values()].map(sentence)),
  ];
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function sentence(clause: string): string {
  return `${clause.charAt(0).toUpperCase()}${clause.slice(1)}.`;
}
