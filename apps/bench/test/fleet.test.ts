import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { siteOf } from '../src/trials/behind-nginx/nginx.js';
import { judgePanel, type Panel, readDashboard } from '../src/trials/panels/dashboard.js';
import { longestGap, type Visit } from '../src/trials/people/visits.js';

const SITE = new URL('../../../infra/nginx/comfy-fleet.conf', import.meta.url);

it("uses the operators' site configuration with the ports of the run, and the same options of its servers", async () => {
  const site = await readFile(SITE, 'utf8');
  const apis = [
    { port: 5001, down: false },
    { port: 5002, down: true },
    { port: 5003, down: false },
  ];
  const own = siteOf(site, { dir: '/run/x', port: 5000, apis });
  expect(own.match(/^ *(server 127|listen|access_log).*/gm)?.map((line) => line.trim())).toEqual([
    'server 127.0.0.1:5001 max_fails=0;',
    'server 127.0.0.1:5002 max_fails=0 down;',
    'server 127.0.0.1:5003 max_fails=0;',
    'listen 127.0.0.1:5000 sndbuf=64k;',
    'access_log /run/x/nginx-site.log comfy_fleet;',
    'access_log /run/x/nginx-access.log run;',
  ]);
  const rest = (text: string) => text.split('\n').filter((line) => !/server 127|listen|access_log/.test(line));
  expect(rest(own)).toEqual(rest(site));
});

it('rejects a site configuration without the expected lines', () => {
  expect(() => siteOf('upstream x { server unix:/run/api; }', { dir: '/run/x', port: 1, apis: [] })).toThrow(
    'other lines',
  );
});

const panel = (title: string, unit = 'short'): Panel => ({ row: '', title, unit, expr: 'x' });
const series = (...values: number[]) => ({ labels: {}, values });

describe('a panel of the dashboard', () => {
  it('has no faults with plausible numbers, and shows the last one', () => {
    const judged = judgePanel(panel('Webhooks that wait'), [series(0, 3, 2)]);
    expect(judged).toEqual({ series: 1, last: 2, least: 0, most: 3, faults: [] });
  });

  it('is wrong without data, and with only NaN', () => {
    expect(judgePanel(panel('Webhooks that wait'), []).faults).toEqual(['has no data']);
    expect(judgePanel(panel('Webhooks that wait'), [series()]).faults).toEqual(['has no data']);
  });

  it.each([
    ['a negative time', 's', -1],
    ['a share above 100 %', 'percentunit', 7],
    ['an infinite number', 'short', Number.POSITIVE_INFINITY],
  ])('is wrong with %s', (_, unit, value) => {
    expect(judgePanel(panel('Anything', unit), [series(value)]).faults).not.toEqual([]);
  });

  it('is wrong if it contradicts the processes of the run', () => {
    expect(judgePanel(panel('Instances up'), [series(4)]).faults).toEqual([]);
    expect(judgePanel(panel('Instances up'), [series(4, 3)]).faults).toEqual(['shows 3, which is not between 4 and 4']);
    expect(judgePanel(panel('Jobs waiting'), [series(0, 0)]).faults).toEqual(['never rises']);
    expect(judgePanel(panel('Versions'), [series(1)]).faults).toEqual(['has 1 series, not 6']);
  });

  it('comes from the dashboard that operators get, with values for all variables', async () => {
    const panels = await readDashboard();
    expect(panels.length).toBeGreaterThan(30);
    expect(panels.filter(({ expr }) => expr.includes('$'))).toEqual([]);
    expect(new Set(panels.map(({ row }) => row)).size).toBeGreaterThan(2);
  });
});

const visit = (answeredAt: number, fault?: string): Visit => {
  return { kind: 'list', sentAt: answeredAt - 5, answeredAt, status: 200, fault };
};

it('measures the longest time without a good answer in a span, including both ends', () => {
  const visits = [visit(90), visit(110), visit(400, '502'), visit(600), visit(150), visit(2000)];
  expect(longestGap(visits, 100, 1000)).toBe(450);
  expect(longestGap(visits, 100, 700)).toBe(450);
  expect(longestGap(visits, 100, 200)).toBe(50);
  expect(longestGap([], 100, 200)).toBe(100);
});
