/** Between the name of a workflow, which has no such character, and the id of a job of it. */
const SEPARATOR = '|';
/** The character after it. */
const AFTER = '}';

/** What members of jobsByWorkflow begin with that are of the workflow. */
export function byWorkflow(workflow: string): string {
  return `${workflow}${SEPARATOR}`;
}

/** What is above all of these, and below those of the workflow after it. */
export function afterWorkflow(workflow: string): string {
  return `${workflow}${AFTER}`;
}

export function workflowOfMember(member: string): string {
  return member.slice(0, member.lastIndexOf(SEPARATOR));
}

/** The id of a job in any index of jobs. */
export function idOfMember(member: string): string {
  return member.slice(member.lastIndexOf(SEPARATOR) + 1);
}
