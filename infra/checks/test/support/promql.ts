import { parser } from '@prometheus-io/lezer-promql';

export interface Query {
  /** False: Prometheus could not read it. */
  readonly valid: boolean;
  readonly metrics: readonly string[];
  /** All labels that are matched, grouped or joined by. */
  readonly labels: readonly string[];
}

/** Takes a query apart with the grammar of Prometheus' own web page. */
export function readQuery(text: string): Query {
  const metrics = new Set<string>();
  const labels = new Set<string>();
  let valid = true;
  parser.parse(text).iterate({
    enter: ({ name, type, from, to, node }) => {
      if (type.isError) valid = false;
      const words = text.slice(from, to);
      if (name === 'Identifier' && node.parent?.name === 'VectorSelector') metrics.add(words);
      if (name === 'LabelName') labels.add(words);
    },
  });
  return { valid, metrics: [...metrics], labels: [...labels] };
}
