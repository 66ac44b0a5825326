import { useQuery } from '@tanstack/react-query';
import { useFleet } from '../session/session.js';

const FIRST = ['text2img', 'img2img'];

/** The workflows that there are. */
export function useWorkflows() {
  const fleet = useFleet();
  const { data = [] } = useQuery({ queryKey: ['workflows'], queryFn: ({ signal }) => fleet.workflows({ signal }) });
  return data;
}

/** Their names, text2img first, with the one that is chosen, if any is. */
export function useWorkflowNames(chosen: string): string[] {
  const names = useWorkflows().map(({ name }) => name);
  const sorted = [...FIRST.filter((name) => names.includes(name)), ...names, ...(chosen === '' ? [] : [chosen])];
  return [...new Set(sorted)];
}
