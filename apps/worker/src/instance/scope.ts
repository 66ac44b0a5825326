import type { InstanceRest, ResolvedRequest } from '@comfy-fleet/contracts';
import type { JobRecord } from '@comfy-fleet/jobs';

/** A part of the work that an instance may be unable to do. An absent field means any; `{}` is all work. */
export type Scope = InstanceRest['scope'];

/** The properties of a job by which scopes cover it. */
export interface Subject {
  readonly job: string;
  readonly key: string;
  readonly workflow: string;
  readonly checkpoint: string;
}

export function subjectOf({ id, key, request }: Pick<JobRecord, 'id' | 'key' | 'request'>): Subject {
  return { job: id, key, ...workOf(request) };
}

/** The properties of a request by which scopes cover it. */
export function workOf(request: ResolvedRequest): Pick<Subject, 'workflow' | 'checkpoint'> {
  return { workflow: request.workflow, checkpoint: checkpointOf(request) };
}

/** The main model of a job; empty if its workflow fixes it. */
export function checkpointOf({ inputs: { checkpoint } }: ResolvedRequest): string {
  return typeof checkpoint === 'string' ? checkpoint : '';
}

const PARTS = ['key', 'workflow', 'checkpoint'] as const;

/** Whether this scope includes the subject, or the whole narrower scope. */
export function covers(scope: Scope, within: Scope): boolean {
  return PARTS.every((part) => scope[part] === undefined || scope[part] === within[part]);
}

export function nameOfScope(scope: Scope): string {
  return JSON.stringify(PARTS.map((part) => scope[part] ?? null));
}

/** In words, to follow "it rests"; empty for all work. */
export function describeScope({ key, workflow, checkpoint }: Scope): string {
  const parts = [
    ...(workflow === undefined ? [] : [`the workflow ${workflow}`]),
    ...(checkpoint === undefined ? [] : [`the checkpoint ${checkpoint}`]),
    ...(key === undefined ? [] : ['one API key']),
  ];
  return parts.length === 0 ? '' : ` for ${parts.join(' with ')}`.replace(' with one API key', ' of one API key');
}
