import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  isTerminal,
  JOB_STATUSES,
  may,
  PHASE_TRANSITIONS,
  STATUS_TRANSITIONS,
  TERMINAL_STATUSES,
} from '../src/index.js';

describe('isTerminal', () => {
  it('is true exactly for the states that never change', () => {
    expect(JOB_STATUSES.filter(isTerminal)).toEqual(['succeeded', 'failed', 'canceled', 'expired']);
    expect(JOB_STATUSES.filter((status) => !isTerminal(status))).toEqual(['queued', 'running', 'canceling']);
  });
});

const PAGE = fileURLToPath(new URL('../../../docs/architecture/job-life.md', import.meta.url));

interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly when: string;
}

function diagram(first: string, arrows: readonly Arrow[], last: readonly string[]): string {
  return [
    '```mermaid',
    'stateDiagram-v2',
    `  [*] --> ${first}: accepted (202)`,
    ...arrows.map(({ from, to, when }) => `  ${from} --> ${to}: ${when}`),
    ...last.map((state) => `  ${state} --> [*]`),
    '```',
  ].join('\n');
}

// `vitest run -u` updates the page.
it('appear as in the table in docs/architecture/job-life.md', async () => {
  const diagrams = [
    diagram('queued', STATUS_TRANSITIONS, TERMINAL_STATUSES),
    diagram('waiting', PHASE_TRANSITIONS, ['ended']),
  ];
  const page = readFileSync(PAGE, 'utf8').replace(
    /```mermaid\nstateDiagram-v2[\s\S]*?```/g,
    () => diagrams.shift() ?? '',
  );
  expect(diagrams).toEqual([]);
  await expect(page).toMatchFileSnapshot(PAGE);
});

it('lets no terminal status change', () => {
  expect(may('succeeded', 'queued')).toBe(false);
  expect(may('running', 'succeeded')).toBe(true);
  expect(STATUS_TRANSITIONS.filter(({ from }) => (TERMINAL_STATUSES as readonly string[]).includes(from))).toEqual([]);
});
