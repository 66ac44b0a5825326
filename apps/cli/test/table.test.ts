import type { Job } from '@comfy-fleet/client';
import { expect, it } from 'vitest';
import { JOB_COLUMNS, jobRow } from '../src/callers/show-job.js';
import { drawTable } from '../src/callers/table.js';

const JOB = {
  id: '01a21ba6-3331-75ec-b10c-6f6e6a0949d0',
  status: 'succeeded',
  lod: 'sketch',
  request: { workflow: 'text2img', prompt: '嵐の中の灯台\nin oil, with many words that nobody has room for' },
  created_at: '2026-01-01T12:00:00Z',
  duration_ms: 1500,
} as Job;

it('lists jobs in lines that a terminal does not wrap, with prompts in any script', () => {
  const [head, row] = drawTable(JOB_COLUMNS, [jobRow(JOB)], { width: 79, isColored: false });
  expect(head).toBe(`job${' '.repeat(35)}status     level    took  prompt`);
  expect(row).toBe(`${JOB.id}  succeeded  sketch  1.5 s  嵐の中の灯台 i…`);
  const [, coloured = ''] = drawTable(JOB_COLUMNS, [jobRow(JOB)], { width: 200, isColored: true });
  expect(coloured).toContain('\u001b[32msucceeded\u001b[39m');
});
