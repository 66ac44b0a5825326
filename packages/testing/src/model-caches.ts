/** Hosts with one GPU each, into whose folders a few models fit. Times are in ms. */
export interface ModelCaches {
  readonly hosts: number;
  /** How many models fit into the folder of a host. */
  readonly room: number;
  readonly fetchMs: number;
  readonly jobMs: number;
}

/** Models with a popularity of 1/n, in random order. `random` returns numbers from 0 to 1. */
export function popularModels(jobs: number, models: readonly string[], random: () => number): string[] {
  const sums: number[] = [];
  for (const n of models.keys()) sums.push((sums.at(-1) ?? 0) + 1 / (n + 1));
  return Array.from({ length: jobs }, () => {
    const at = random() * (sums.at(-1) ?? 0);
    return models[sums.findIndex((sum) => at <= sum)] ?? '';
  });
}

/** How many fetches jobs with these models need at least in this order, if all hosts are one cache (Belady's rule). */
export function fewestFetches(models: readonly string[], { hosts, room }: Pick<ModelCaches, 'hosts' | 'room'>): number {
  const kept = new Set<string>();
  let fetches = 0;
  for (const [n, model] of models.entries()) {
    if (kept.has(model)) continue;
    fetches += 1;
    const nextUse = (one: string) => {
      const at = models.indexOf(one, n);
      return at < 0 ? Number.POSITIVE_INFINITY : at;
    };
    if (kept.size >= hosts * room) kept.delete([...kept].reduce((a, b) => (nextUse(b) > nextUse(a) ? b : a)));
    kept.add(model);
  }
  return fetches;
}

/**
 * What the same jobs take if each goes in order to the next free host, which fetches its model when the job has come and
 * evicts the least recently used one.
 */
export function fetchesInOrder(models: readonly string[], { hosts: count, room, fetchMs, jobMs }: ModelCaches) {
  const hosts = Array.from({ length: count }, () => ({ freeAt: 0, kept: [] as string[] }));
  let fetches = 0;
  for (const model of models) {
    const host = hosts.reduce((a, b) => (b.freeAt < a.freeAt ? b : a));
    const isMissing = !host.kept.includes(model);
    if (isMissing) fetches += 1;
    host.kept = [model, ...host.kept.filter((other) => other !== model)].slice(0, room);
    host.freeAt += jobMs + (isMissing ? fetchMs : 0);
  }
  return { fetches, idleMs: fetches * fetchMs };
}
