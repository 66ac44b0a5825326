import type { Request } from 'autocannon';
import { cpuShare, watchProcess } from '../../lib/process-usage.js';
import type { Scope } from '../../lib/scope.js';
import { fullLoad } from './full-load.js';

/** What a server did under full load. */
export interface Load {
  readonly perSecond: number;
  readonly ms: readonly number[];
  /** Processor time of the server for a request; undefined where the kernel does not tell. */
  readonly cpuMs: number | undefined;
}

export interface Round {
  readonly service: Load;
  readonly beside: Load;
}

/** Requests of one kind beside those of another, both under full load. */
export interface Ratio {
  readonly what: string;
  readonly beside: string;
  readonly rounds: readonly Round[];
}

export interface RatioOptions {
  readonly core: string | undefined;
  readonly rounds: number;
  /** Of each side in each round. */
  readonly seconds: number;
  readonly onProgress: (text: string) => void;
}

/** What is asked of whom. */
export interface Side {
  readonly what: string;
  readonly server: Server;
  readonly requests: readonly Request[];
}

interface Server {
  readonly url: string;
  readonly pid: number;
}

const CONNECTIONS = 100;
const WARM_UP_SECONDS = 3;

/** Two sides in turns, each the first in every other round, so that a machine that becomes slower does so for both. */
export async function inTurns(
  scope: Scope,
  { service, beside, key }: { readonly service: Side; readonly beside: Side; readonly key: string },
  options: RatioOptions,
): Promise<Ratio> {
  options.onProgress(`${service.what} beside ${beside.what}`);
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const load = ({ server: { url }, requests }: Side, seconds: number) =>
    fullLoad({ url, requests, headers, connections: CONNECTIONS, seconds });
  const measured = (side: Side): Promise<Load> =>
    scope.inner(async (inner) => {
      const samples = watchProcess(inner, side.server.pid);
      const from = Date.now();
      const { requests: count, seconds, ms } = await load(side, options.seconds);
      const perSecond = count / seconds;
      const share = cpuShare(samples, from, Date.now());
      return { perSecond, ms, cpuMs: share === undefined ? undefined : (share * 1000) / perSecond };
    });
  for (const side of [service, beside]) await load(side, WARM_UP_SECONDS);
  const rounds: Round[] = [];
  while (rounds.length < options.rounds) {
    if (rounds.length % 2 === 0) rounds.push({ service: await measured(service), beside: await measured(beside) });
    else {
      const before = await measured(beside);
      rounds.push({ service: await measured(service), beside: before });
    }
  }
  return { what: service.what, beside: beside.what, rounds };
}
