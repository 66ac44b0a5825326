import type { Job, JobHandle } from '@comfy-fleet/client';
import { encode, encode as encodeJpeg } from 'jpeg-js';
import { describe, expect, it } from 'vitest';
import { jobLine } from '../src/callers/progress-bar.js';
import { createReport } from '../src/callers/report.js';
import { createSheetReport } from '../src/callers/sheets/sheet-report.js';
import { graphicsOf, kittyPicture, previewSequence, shrink } from '../src/callers/terminal-pictures.js';
import { duration } from '../src/text.js';
import { FakeTerminal } from './run.js';

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
  const io = {
    terminal,
    log: terminal,
    result: (text: string) => void results.push(text),
    info: (text: string) => void said.push(text),
    interrupted: () => new AbortController().signal,
  };
  return { terminal, results, said, io };
}

describe('a terminal', () => {
  it("shows a job's progress bar, and the addresses of its files when it has ended", async () => {
    const { terminal, results, io } = atTerminal();
    const report = createReport(io, { picture: false });
    report.job({ ...JOB, progress: { ...JOB.progress, fraction: 0 } });
    report.progress(JOB.progress);
    await report.ended(handle(ENDED));
    report.close();
    expect(terminal.lines).toContain(`${'█'.repeat(12)}${'░'.repeat(12)} 50 % · step 4/8 · Sampler`);
    expect(results).toEqual(['http://fleet/files/0197_1.png', '0197 succeeded in 1.5 s · seed 7 · gpu/1']);
  });

  it('names the saved files instead of their addresses', async () => {
    const { results, io } = atTerminal();
    const report = createReport(io, { picture: false });
    report.file({ job: '0197', index: 0, path: 'fox.png', bytes: 1 });
    await report.ended(handle(ENDED));
    report.close();
    expect(results).toEqual(['fox.png', '0197 succeeded in 1.5 s · seed 7 · gpu/1']);
  });

  it('draws previews in place, and removes them at the end', async () => {
    const { terminal, io } = atTerminal();
    const report = createReport(io, { picture: 'kitty' });
    report.job(JOB);
    const data = encode({ width: 8, height: 8, data: new Uint8Array(256) }).data.toString('base64');
    report.preview({ content_type: 'image/jpeg', data });
    await expect.poll(() => terminal.written).toContain('\u001b_Ga=T');
    // the cursor is 15 rows lower: 14 for the picture and 1 for the bar
    expect(terminal.written).toContain('\u001b7\u001b[15A\r\u001b_Ga=T');
    report.close();
    expect(terminal.written).toContain('\u001b_Ga=d');
    const before = terminal.written;
    report.preview({ content_type: 'image/jpeg', data });
    expect(terminal.written).toBe(before);
  });

  it('shows one bar for all rows of a sheet, and a line for each failed row', () => {
    const { terminal, said, io } = atTerminal();
    const report = createSheetReport(io, { total: 4 });
    report.open(2);
    report.ended(1, handle(ENDED));
    report.ended(2, handle({ ...ENDED, status: 'canceled' } as Job));
    report.close();
    expect(terminal.lines).toContainEqual(expect.stringContaining('2 of 4 · 0 open · 1 failed'));
    expect(said).toEqual(['line 2: 0197 canceled in 1.5 s · seed 7 · gpu/1']);
  });
});

const PROGRESS = { fraction: 0, step: null, steps: null, node: null } as Job['progress'];
const WAITING = {
  status: 'queued',
  queue_position: 3,
  eta_seconds: 90,
  waiting_for: { code: 'turn', detail: 'Other jobs come first.' },
} as Job;
const RUNNING = { status: 'running', queue_position: null, eta_seconds: 10, waiting_for: null } as Job;

describe('the progress line of a job', () => {
  it('shows the queue position and the time left while the job waits', () => {
    expect(jobLine(WAITING, PROGRESS, 25, 80)).toBe(`${'░'.repeat(24)} waits, 3 before it · about 1 min 5 s left`);
  });

  it('says what the job waits for, other than its turn', () => {
    const paused = { ...WAITING, eta_seconds: null, waiting_for: { code: 'paused', detail: 'The fleet is paused.' } };
    expect(jobLine(paused as Job, PROGRESS, 0, 80)).toMatch(/waits, 3 before it · The fleet is paused\.$/);
  });

  it('shows percentage, step and node while the job runs', () => {
    const line = jobLine(RUNNING, { ...PROGRESS, fraction: 0.5, step: 4, steps: 8, node: 'KSampler' }, 4, 80);
    expect(line).toBe(`${'█'.repeat(12)}${'░'.repeat(12)} 50 % · step 4/8 · about 6 s left · KSampler`);
  });

  it('is never wider than the terminal', () => {
    const line = jobLine(RUNNING, { ...PROGRESS, fraction: 1, node: 'A node with a very long title' }, 0, 30);
    expect(line.length).toBeLessThan(30);
    expect(line.endsWith('…')).toBe(true);
  });
});

it('formats durations', () => {
  expect([0.4, 59, 60, 200, 7500].map(duration)).toEqual(['0 s', '59 s', '1 min', '3 min 20 s', '2 h 5 min']);
  expect(duration(-3)).toBe('0 s');
});

it("draws a picture with kitty's protocol, in chunks of 4096 characters", () => {
  const bytes = Uint8Array.from({ length: 5000 }, (_nothing, at) => at % 256);
  const pieces = kittyPicture(bytes).split('\u001b\\').slice(0, -1);
  expect(pieces.map((piece) => piece.slice(0, piece.indexOf(';')))).toEqual(['\u001b_Ga=T,f=100,m=1', '\u001b_Gm=0']);
  const sent = pieces.map((piece) => piece.slice(piece.indexOf(';') + 1)).join('');
  expect(new Uint8Array(Buffer.from(sent, 'base64'))).toEqual(bytes);
});

const JPEG = encodeJpeg({ width: 64, height: 64, data: new Uint8Array(64 * 64 * 4).fill(0x55) }, 90).data;

it('shrinks a picture in proportion, and never enlarges it', () => {
  const pixels = { width: 4, height: 2, data: Uint8Array.from({ length: 32 }, (_nothing, at) => Math.floor(at / 4)) };
  expect(shrink(pixels, { width: 2, height: 9 })).toEqual({
    width: 2,
    height: 1,
    data: Uint8Array.from([0, 0, 0, 0, 2, 2, 2, 2]),
  });
  expect(shrink(pixels, { width: 99, height: 99 })).toEqual(pixels);
});

it("draws a preview with the terminal's protocol, within its frame", async () => {
  const frame = { columns: 40, rows: 3 };
  expect(await previewSequence('kitty', JPEG, frame)).toContain('\u001b_Ga=T,f=100,i=1907,p=1,r=3,C=1,q=2,m=');
  expect(await previewSequence('kitty', JPEG, { columns: 2, rows: 9 })).toContain(',c=2,');
  expect(await previewSequence('iterm2', JPEG, frame)).toMatch(/]1337;File=.*width=40;height=3.*:/);
});

it('draws nothing inside tmux or screen', () => {
  expect(graphicsOf({ TMUX: '/tmp/tmux-0/default,1,0' })).toBeUndefined();
});
