import type { Scope } from '../../lib/scope.js';
import { type Claims, fillStock, type Stock } from './stock.js';

/** A stock, and what claims from it took; the same rounds for each stock. */
export interface Cost {
  readonly stock: Stock;
  readonly rounds: readonly Claims[];
}

export interface CostOptions {
  readonly prefix: string;
  /** Waiting jobs, of each stock; the first is what the others are compared with. */
  readonly jobs: readonly number[];
  readonly keys: number;
  readonly rounds: number;
  readonly claims: number;
  readonly onProgress: (text: string) => void;
}

/** Claims from short and long queues in turns, so that a machine that becomes slower does so for all. */
export function measureCost(
  all: Scope,
  { prefix, jobs, keys, rounds, claims, onProgress }: CostOptions,
): Promise<Cost[]> {
  return all.inner(async (scope) => {
    const costs: { readonly stock: Stock; readonly rounds: Claims[] }[] = [];
    for (const count of jobs) {
      onProgress(`a queue of ${count} jobs`);
      costs.push({ stock: await fillStock(scope, { prefix, jobs: count, keys }), rounds: [] });
    }
    onProgress('claims from short and long queues');
    for (const { stock } of costs) await stock.claim(claims);
    for (let n = 0; n < rounds; n++) {
      for (const cost of costs) cost.rounds.push(await cost.stock.claim(claims));
    }
    return costs;
  });
}
