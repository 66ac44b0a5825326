/** Of the page where a workflow is prepared: no workflow can have that name. */
export const NEW = '~new';
export const NEW_PATH = `/workflows/${NEW}`;

export function pathOf(name: string): string {
  return `/workflows/${encodeURIComponent(name)}`;
}
