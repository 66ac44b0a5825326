import { describe, expect, it } from 'vitest';
import { type Panel, readDashboard } from '../src/trials/panels/dashboard.js';
import { judgePanel } from '../src/trials/panels/panel-values.js';

const panel = (title: string, unit = 'short'): Panel => ({ row: '', title, unit, expr: 'x' });
const series = (...values: number[]) => ({ labels: {}, values });

describe('a panel of the dashboard', () => {
  it('is good with plausible numbers, of which the last one is shown', () => {
    const judged = judgePanel(panel('Webhooks that wait'), [series(0, 3, 2)]);
    expect(judged).toEqual({ series: 1, last: 2, least: 0, most: 3, faults: [] });
  });

  it('is wrong without data, and so when all it has is no number', () => {
    expect(judgePanel(panel('Webhooks that wait'), []).faults).toEqual(['has no data']);
    expect(judgePanel(panel('Webhooks that wait'), [series()]).faults).toEqual(['has no data']);
  });

  it.each([
    ['a negative time', 's', -1],
    ['a share of more than all', 'percentunit', 7],
    ['an endless number', 'short', Number.POSITIVE_INFINITY],
  ])('is wrong with %s', (_, unit, value) => {
    expect(judgePanel(panel('Anything', unit), [series(value)]).faults).not.toEqual([]);
  });

  it('is wrong when it says something else than what runs', () => {
    expect(judgePanel(panel('Instances up'), [series(4)]).faults).toEqual([]);
    expect(judgePanel(panel('Instances up'), [series(4, 3)]).faults).toEqual(['says 3, which is not between 4 and 4']);
    expect(judgePanel(panel('Jobs waiting'), [series(0, 0)]).faults).toEqual(['never rises']);
    expect(judgePanel(panel('Versions'), [series(1)]).faults).toEqual(['tells of 1, not 6']);
  });

  it('is read from the dashboard that operators get, with values for all its variables', async () => {
    const panels = await readDashboard();
    expect(panels.length).toBeGreaterThan(30);
    expect(panels.filter(({ expr }) => expr.includes('$'))).toEqual([]);
    expect(new Set(panels.map(({ row }) => row)).size).toBeGreaterThan(2);
  });
});
