/** Our metrics as a process served them at /metrics, without the prefix of their names. */
export interface Exposition {
  /** The value of `name` or `name{label="value",…}`, with labels in the served order. */
  value(series: string): number | undefined;
  /** All series of a metric by their labels, except those that are 0. */
  series(name: string): Record<string, number>;
  /** `name type label,label` of each metric, sorted. */
  described(): string[];
}

const PREFIX = 'comfy_fleet_';

export function readExposition(text: string): Exposition {
  const values = new Map<string, number>();
  const types = new Map<string, string>();
  const labels = new Map<string, Set<string>>();
  for (const line of text.split('\n')) {
    const type = /^# TYPE comfy_fleet_(\w+) (\w+)$/.exec(line);
    if (type !== null) types.set(type[1] as string, type[2] as string);
    const sample = /^comfy_fleet_(\w+?)(\{(.*)\})? (\S+)$/.exec(line);
    if (sample === null) continue;
    const [, name = '', braces = '', inner = '', value] = sample;
    values.set(name + braces, Number(value));
    const metric = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    const known = labels.get(metric) ?? new Set();
    labels.set(metric, known);
    for (const [, label = ''] of inner.matchAll(/(\w+)="/g)) if (label !== 'le') known.add(label);
  }
  return {
    value: (series) => values.get(series),
    series: (name) =>
      Object.fromEntries(
        [...values].flatMap(([series, value]) =>
          series.startsWith(`${name}{`) && value !== 0 ? [[series.slice(name.length + 1, -1), value]] : [],
        ),
      ),
    described: () =>
      [...types]
        .map(([name, type]) => `${PREFIX}${name} ${type} ${[...(labels.get(name) ?? [])].join(', ')}`.trim())
        .sort(),
  };
}
