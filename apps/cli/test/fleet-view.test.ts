import type { FleetStatus } from '@comfy-fleet/client';
import { describe, expect, it } from 'vitest';
import { type FleetView, fleetBlocks, fleetText } from '../src/fleet/fleet-view.js';
import { fitBlocks } from '../src/fleet/top.js';

const INSTANCE = {
  name: 'gpu/1',
  state: 'up',
  drain: null,
  reason: null,
  busy_share: 0.5,
  jobs_done: 9,
  jobs_failed: 1,
  running: { job: '0197', since: '2026-01-01T00:00:00Z' },
  waiting: ['0198'],
  checkpoint: 'xl.safetensors',
  models: ['xl.safetensors', 'lora.safetensors'],
  encode_ahead: { state: 'on', saves_seconds_per_job: 4.1, why: null, text: 'saves 4.1 s per job' },
};
const SHARE = { weight: 1, share_minute: 0.5, share_hour: 1, fair_share: 0.5, waiting: 2, oldest_wait_seconds: 90 };

function viewOf(instances: readonly object[], more: Partial<FleetView> = {}): FleetView {
  const status = {
    paused: null,
    pools: [{ name: 'default', waiting: 3, running: 1, instances: 1, backlog_seconds: 90, paused: null }],
    workers: [{ name: 'gpu', storage_fault: null, instances }],
    shares: [
      { ...SHARE, key: 'fox', oldest_wait_seconds: null },
      { ...SHARE, key: 'acme' },
    ],
    notes: ['A note.'],
  } as unknown as FleetStatus;
  return { url: 'http://fleet', status, runs: new Map(), alerts: [], now: Date.parse('2026-01-01T00:00:05Z'), ...more };
}
const many = Array.from({ length: 30 }, (_nothing, at) => ({ ...INSTANCE, name: `gpu/${at + 1}`, jobs_failed: at }));
const DRAWING = { width: 110, isColored: false, sort: 'name' } as const;

describe('the fleet view', () => {
  it('has tables, with the key that waits longest first', () => {
    const runs = new Map([['0197', { workflow: 'text2img', lod: 'mid', key: 'acme' }]]);
    const alert = {
      name: 'QueueStuck',
      since: '2026-01-01T00:00:00Z',
      severity: 'critical' as const,
      summary: 'Nothing moves.',
    };
    expect(fleetText(viewOf([INSTANCE], { runs, alerts: [alert] }), DRAWING).split('\n')).toEqual([
      '1 of 1 instances up · 1 running · 3 waiting · http://fleet',
      '',
      'QueueStuck (5 s): Nothing moves.',
      'A note.',
      '',
      'pool     state  waiting  running  instances     backlog',
      'default  open         3        1          1  1 min 30 s',
      '',
      'instance  state  busy     %  runs                   for  next  done  failed  ahead  holds',
      'gpu/1     up     ███░░░  50  text2img · mid · acme  5 s     1     9       1  4.1 s  xl +1',
      '',
      'key   weight  minute   hour  fair  waiting  oldest wait',
      'acme       1    50 %  100 %  50 %        2   1 min 30 s',
      'fox        1    50 %  100 %  50 %        2            -',
    ]);
  });

  it('is never wider than the terminal, and drops the least important columns first', () => {
    const fault = { ...INSTANCE, running: null, state: 'down', reason: `It refused the connection. ${'x'.repeat(90)}` };
    const narrow = fleetText(viewOf([fault]), { ...DRAWING, width: 60 }).split('\n');
    expect(Math.max(...narrow.map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(narrow.find((line) => line.startsWith('instance'))).not.toContain('done');
    expect(narrow.find((line) => line.startsWith('gpu/1'))).toContain('It refused the connecti');
  });

  it('lists the instances in the chosen order', () => {
    const { instances } = fleetBlocks(viewOf(many), { ...DRAWING, sort: 'failed' });
    expect(instances.lines[1]).toContain('gpu/30');
    expect(fleetBlocks(viewOf(many), DRAWING).instances.lines[2]).toContain('gpu/2 ');
  });

  it.each([24, 50, 8, 3])('fills a terminal of %i lines, and says how many instances are hidden', (height) => {
    const blocks = fleetBlocks(viewOf(many), DRAWING);
    const { lines, lastScroll } = fitBlocks(blocks, height, 0);
    expect(lines).toHaveLength(height);
    expect(lines[0]).toBe('30 of 30 instances up · 1 running · 3 waiting · http://fleet');
    if (height < 8) return;
    const shown = lines.filter((line) => line.startsWith('gpu/')).length;
    if (shown === 30) return expect(lastScroll).toBe(0);
    expect(lines).toContain(`… and ${30 - shown} more`);
    const last = fitBlocks(blocks, height, lastScroll).lines.filter((line) => line.startsWith('gpu/'));
    expect(last.at(-1)).toContain('gpu/30');
  });
});
