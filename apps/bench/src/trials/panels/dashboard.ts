import { readFile } from 'node:fs/promises';
import { inRepository } from '../../lib/repository.js';

const FILE = inRepository('infra/grafana/dashboards/fleet.json');

/** One query of a panel of the dashboard. */
export interface Panel {
  readonly row: string;
  readonly title: string;
  /** As Grafana names it: `s`, `percentunit`, … */
  readonly unit: string;
  /** With values in the place of Grafana's variables. */
  readonly expr: string;
}

interface GrafanaPanel {
  readonly type: string;
  readonly title: string;
  readonly panels?: readonly GrafanaPanel[];
  readonly targets?: readonly { readonly expr: string }[];
  readonly fieldConfig?: { readonly defaults?: { readonly unit?: string } };
}

const VARIABLES: Readonly<Record<string, string>> = { $pool: '.*', $__rate_interval: '20s' };

/** The queries of the dashboard that operators are given, in the order in which it shows them. */
export async function readDashboard(): Promise<Panel[]> {
  const { panels } = JSON.parse(await readFile(FILE, 'utf8')) as { panels: GrafanaPanel[] };
  let row = '';
  return panels.flatMap((panel) => {
    if (panel.type === 'row') row = panel.title;
    return [panel, ...(panel.panels ?? [])].flatMap(({ title, targets = [], fieldConfig }) =>
      targets.map(({ expr }) => ({ row, title, unit: fieldConfig?.defaults?.unit ?? '', expr: filled(expr) })),
    );
  });
}

/** Throws when there is a variable that nobody knows. */
function filled(expr: string): string {
  const text = Object.entries(VARIABLES).reduce((text, [name, value]) => text.replaceAll(name, value), expr);
  if (/\$\w/.test(text)) throw new Error(`the dashboard has a variable that is not known here: ${text}`);
  return text;
}
