import { PassThrough } from 'node:stream';
import { FleetError, type FleetStatus, type Job, type JobHandle } from '@comfy-fleet/client';
import type { WorkflowAnswer, WorkflowList } from '@comfy-fleet/contracts';
import { describe, expect, it } from 'vitest';
import { jobLine } from '../src/callers/progress-bar.js';
import { JOB_COLUMNS, jobRow, jobSummary, showJob } from '../src/callers/show-job.js';
import { findingText } from '../src/doctor/finding.js';
import { explain } from '../src/exit-codes.js';
import { fleetText } from '../src/fleet/fleet-view.js';
import { drawingFor, drawTable } from '../src/table.js';
import { plain, plainLines } from '../src/text.js';
import { describeList, describePublished } from '../src/workflows/describe.js';

/** Would put a command into the clipboard, and add a line. */
const EVIL = 'a\u001b]52;c;cm0gLXJmIH4=\u0007fox\u009b2J\nall is well\u2028really';
const SHOWN = 'a\\x1b]52;c;cm0gLXJmIH4=\\x07fox\\x9b2J all is well really';
const STEERING = /[^\P{Cc}\n]|[\p{Zl}\p{Zp}]/u;

const JOB = {
  id: '0197',
  status: 'failed',
  lod: null,
  request: { workflow: 'text2img', prompt: EVIL },
  created_at: '2026-01-01T12:00:00Z',
  duration_ms: null,
  queue_ms: null,
  queue_position: null,
  eta_seconds: null,
  seed: null,
  parent: null,
  instance: null,
  waiting_for: null,
  progress: { fraction: 0.5, step: null, steps: null, node: EVIL },
  metadata: { shelf: EVIL },
  error: { code: 'comfyui_error', detail: EVIL },
} as unknown as Job;

function fleetHolding(name: string): FleetStatus {
  const instance = { name: 'gpu/1', state: 'up', drain: null, reason: null, busy_share: 0, running: null, waiting: [] };
  const holds = { checkpoint: name, models: [name], jobs_done: 0, jobs_failed: 0, encode_ahead: null };
  const workers = [{ name: 'gpu', storage_fault: null, instances: [{ ...instance, ...holds }] }];
  return { paused: null, pools: [], workers, shares: [], notes: [name] } as unknown as FleetStatus;
}

it('escapes control characters, and keeps text in any script', () => {
  expect(plain(EVIL)).toBe(SHOWN);
  expect(plain('嵐の中の灯台, é 🦊')).toBe('嵐の中の灯台, é 🦊');
  expect(plain('safe\u202egpj.exe\u2069')).toBe('safe\\u202egpj.exe\\u2069');
  expect(plainLines('one\ntwo\u001b[2J')).toBe('one\ntwo\\x1b[2J');
});

describe('foreign text cannot control the terminal', () => {
  it('in the job list, where each job has one line', () => {
    const lines = drawTable(JOB_COLUMNS, [jobRow(JOB)], { width: 200, isColored: false });
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain(SHOWN);
  });

  it('in the prompt, metadata and error of a job', () => {
    const text = showJob({ snapshot: JOB, outputs: [] } as unknown as JobHandle);
    expect(text).not.toMatch(STEERING);
    expect(text.split('\n').filter((line) => line.endsWith(SHOWN))).toHaveLength(3);
    expect(jobSummary(JOB)).toBe(`0197 failed\n${SHOWN}`);
  });

  it('in the progress bar, which shows node titles', () => {
    expect(jobLine({ ...JOB, status: 'running' }, JOB.progress, 0, 200)).toMatch(new RegExp(`${'.'.repeat(3)}really$`));
    expect(jobLine({ ...JOB, status: 'running' }, JOB.progress, 0, 200)).not.toMatch(/\p{Cc}/u);
  });

  it('in model names and notes of the fleet view', () => {
    const view = { url: 'http://fleet', status: fleetHolding(`${EVIL}.bin`), runs: new Map(), alerts: [], now: 0 };
    const text = fleetText(view, { width: 200, isColored: false, sort: 'name' });
    expect(text).not.toMatch(STEERING);
    expect(text.split('\n').filter((line) => line.includes(`${SHOWN}.bin`))).toHaveLength(2);
  });

  it('in errors of the API', () => {
    const problem = {
      status: 400,
      code: 'invalid_request',
      detail: EVIL,
      errors: [{ pointer: '/prompt', detail: `${EVIL}!` }],
    };
    const { text } = explain(Object.assign(Object.create(FleetError.prototype), problem, { message: EVIL }));
    expect(text).toBe(`${SHOWN}\n  the prompt: ${SHOWN}!`);
  });

  it('in workflows and findings of the doctor', () => {
    const list = {
      data: [{ name: 'a', version: '0', source: 'folder', description: EVIL }],
      faults: [{ detail: EVIL }],
    };
    expect(describeList(list as unknown as WorkflowList)).not.toMatch(STEERING);
    const workflow = {
      name: 'a',
      version: '0',
      source: 'folder',
      description: EVIL,
      inputs: {},
      found: [{ input: 'prompt', rule: 'title', places: [{ widget: 'text', node: EVIL }] }],
      outputs: [],
      models: [EVIL],
      node_classes: [EVIL],
      node_times: [{ node_id: '1', title: EVIL, ms: 1 }],
      pools: [],
      unsettled: [],
      refused: [EVIL],
      example: { curl: 'curl' },
    };
    const told = describePublished(workflow as unknown as WorkflowAnswer, 'http://fleet');
    expect(told).not.toMatch(STEERING);
    expect(told.split('\n').filter((line) => line.includes(SHOWN))).toHaveLength(6);
    const found = findingText({ check: 'comfyui', level: 'fail', found: EVIL, fix: EVIL });
    expect(found.split('\n').filter((line) => line.endsWith(SHOWN))).toHaveLength(2);
  });
});

const LISTED_JOB = {
  id: '01a21ba6-3331-75ec-b10c-6f6e6a0949d0',
  status: 'succeeded',
  lod: 'sketch',
  request: { workflow: 'text2img', prompt: '嵐の中の灯台\nin oil, with many words that do not fit on a line' },
  created_at: '2026-01-01T12:00:00Z',
  duration_ms: 1500,
} as Job;

it('draws tables for 80 columns on a terminal that reports no width, or zero', () => {
  for (const columns of [undefined, 0]) {
    const terminal = Object.assign(new PassThrough(), columns === undefined ? {} : { columns });
    expect(drawingFor(terminal)).toEqual({ width: 79, isColored: false });
  }
});

it('lists jobs in lines that fit the terminal, with prompts in any script', () => {
  const [head, row] = drawTable(JOB_COLUMNS, [jobRow(LISTED_JOB)], { width: 79, isColored: false });
  expect(head).toBe(`job${' '.repeat(35)}status     level    took  prompt`);
  expect(row).toBe(`${LISTED_JOB.id}  succeeded  sketch  1.5 s  嵐の中の灯台 i…`);
  const [, coloured = ''] = drawTable(JOB_COLUMNS, [jobRow(LISTED_JOB)], { width: 200, isColored: true });
  expect(coloured).toContain('\u001b[32msucceeded\u001b[39m');
});
