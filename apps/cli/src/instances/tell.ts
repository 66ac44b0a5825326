import { checkpointsOf, explainVerdicts, listed, type Workflows, type WorkflowVerdict } from '@comfy-fleet/workflows';
import { type Look, whatItIs } from './look-at.js';

const START = 'start ComfyUI there (python main.py --listen), or correct its address';

/** What an instance is, which workflows it can run, and what to do where it cannot: sentences. */
export function tellOf(label: string, look: Look, workflows: Workflows): string {
  if ('fault' in look) return `${look.fault} ${sentence(look.advice ?? START)}`;
  const { abilities = {}, verdicts = [] } = look;
  const checkpoints = checkpointsOf(abilities, workflows);
  // What it has in place of one that it lacks is said there.
  const isLacking = verdicts.some(({ lacks }) =>
    lacks.some((lack) => lack.input !== undefined && lack.setBy === 'checkpoint'),
  );
  const names = isLacking ? '' : ` (${listed(checkpoints)})`;
  const has = checkpoints.length === 0 ? 'no checkpoint' : `${plural(checkpoints.length, 'checkpoint')}${names}`;
  return [`${label} is ${whatItIs(look)} and ${has}.`, ...verdictSentences(verdicts)].join(' ');
}

function verdictSentences(verdicts: readonly WorkflowVerdict[]): string[] {
  if (verdicts.length === 0) return ['It serves no pool that any job goes to.'];
  const { able, unable, lacks } = explainVerdicts(verdicts);
  return [
    ...(able.length === 0 ? [] : [`It can run ${able.join(' and ')}.`]),
    ...(unable.length === 0
      ? []
      : [`It cannot run ${unable.join(' and ')}: it lacks ${lacks.map(({ what }) => what).join(' and ')}.`]),
    ...new Set(lacks.map(({ fix }) => sentence(fix))),
  ];
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function sentence(clause: string): string {
  return `${clause.charAt(0).toUpperCase()}${clause.slice(1)}.`;
}
