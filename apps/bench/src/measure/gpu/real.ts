import type { Scope } from '../../lib/scope.js';
import type { Goal } from '../goals.js';
import type { MeasureOptions } from '../measurement.js';
import { measureReal } from './measure-real.js';
import { realGoals, realTable } from './report.js';

export interface RealBench extends MeasureOptions {
  readonly url: string;
  readonly redisUrl: string;
}

const FULL = { count: 500, polled: 5, finishes: 30 };
const QUICK = { count: 100, polled: 2, finishes: 8 };

/** Everything that is measured on a real ComfyUI. Prints a table and answers the goals. */
export async function benchReal(scope: Scope, { url, quick, redisUrl, print }: RealBench): Promise<Goal[]> {
  const real = await measureReal(scope, { url, redisUrl, ...(quick ? QUICK : FULL) });
  print(realTable(real));
  return realGoals(real);
}
