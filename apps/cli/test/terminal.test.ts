import type { Job, JobHandle } from '@comfy-fleet/client';
import { encode } from 'jpeg-js';
import { describe, expect, it } from 'vitest';
import { createReport } from '../src/callers/follow/create-report.js';
import { createSheetReport } from '../src/callers/sheets/sheet-report.js';
import { FakeTerminal } from './fake-terminal.js';

const JOB = {
  id: '0197',
  status: 'running',
  seed: 7,
  instance: 'gpu/1',
  duration_ms: null,
  eta_seconds: null,
  error: null,
  progress: { fraction: 0.5, step: 4, steps: 8, node: 'Sampler' },
} as Job;
const ENDED = { ...JOB, status: 'succeeded', duration_ms: 1500 } as Job;
const handle = (snapshot: Job) =>
  ({ snapshot, outputs: [{ href: 'http://fleet/files/0197_1.png' }] }) as unknown as JobHandle;

function atTerminal() {
  const terminal = new FakeTerminal();
  const results: string[] = [];
  const said: string[] = [];
  const surroundings = {
    terminal,
    log: terminal,
    result: (text: string) => void results.push(text),
    say: (text: string) => void said.push(text),
    interrupted: () => new AbortController().signal,
  };
  return { terminal, results, said, surroundings };
}

describe('a terminal', () => {
  it('shows the bar of a job, and at its end where its files are', async () => {
    const { terminal, results, surroundings } = atTerminal();
    const report = createReport(surroundings, { picture: false });
    report.job({ ...JOB, progress: { ...JOB.progress, fraction: 0 } });
    report.progress(JOB.progress);
    await report.ended(handle(ENDED));
    report.close();
    expect(terminal.lines).toContain(`${'█'.repeat(12)}${'░'.repeat(12)} 50 % · step 4/8 · Sampler`);
    expect(results).toEqual(['http://fleet/files/0197_1.png', '0197 succeeded in 1.5 s · seed 7 · gpu/1']);
  });

  it('names the files that were saved, and no address of them', async () => {
    const { results, surroundings } = atTerminal();
    const report = createReport(surroundings, { picture: false });
    report.file({ job: '0197', index: 0, path: 'fox.png', bytes: 1 });
    await report.ended(handle(ENDED));
    report.close();
    expect(results).toEqual(['fox.png', '0197 succeeded in 1.5 s · seed 7 · gpu/1']);
  });

  it('draws what the picture looks like so far in place, and takes it away at the end', async () => {
    const { terminal, surroundings } = atTerminal();
    const report = createReport(surroundings, { picture: 'kitty' });
    report.job(JOB);
    const data = encode({ width: 8, height: 8, data: new Uint8Array(256) }).data.toString('base64');
    report.preview({ content_type: 'image/jpeg', data });
    await expect.poll(() => terminal.written).toContain('\u001b_Ga=T');
    // above the bar, whose line and the 14 of the picture are above the cursor
    expect(terminal.written).toContain('\u001b7\u001b[15A\r\u001b_Ga=T');
    report.close();
    expect(terminal.written).toContain('\u001b_Ga=d');
    const before = terminal.written;
    report.preview({ content_type: 'image/jpeg', data });
    expect(terminal.written).toBe(before);
  });

  it('has one bar for all rows of a file, and a line for each that went wrong', () => {
    const { terminal, said, surroundings } = atTerminal();
    const report = createSheetReport(surroundings, { total: 4 });
    report.under(2);
    report.ended(1, handle(ENDED));
    report.ended(2, handle({ ...ENDED, status: 'canceled' } as Job));
    report.close();
    expect(terminal.lines).toContainEqual(expect.stringContaining('2 of 4 · 0 under way · 1 failed'));
    expect(said).toEqual(['line 2: 0197 canceled in 1.5 s · seed 7 · gpu/1']);
  });
});
