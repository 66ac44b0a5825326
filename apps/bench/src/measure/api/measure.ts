import type { Scope } from '../../lib/scope.js';
import type { Goal } from '../goals.js';
import type { MeasureOptions } from '../measurement.js';
import { measureCompat } from './measure-compat.js';
import { measureHostile } from './measure-hostile.js';
import { measureRatios } from './measure-ratios.js';
import { measureSockets } from './measure-sockets.js';
import { measureStreams } from './measure-streams.js';
import { measureWaiting } from './measure-waiting.js';
import {
  hostileGoals,
  hostileTable,
  ratioGoals,
  ratioTable,
  socketsGoals,
  socketsTable,
  streamsGoals,
  streamsTable,
  waitingGoals,
  waitingTable,
} from './report.js';

export interface ApiBench extends MeasureOptions {
  /** Of the API, alone on it. */
  readonly core: string | undefined;
}

/** How much of everything: about five minutes, or one. Short rounds: other guests of a machine come and go within seconds. */
const FULL = { hostile: 3, rounds: 12, seconds: 2, jobs: 100_000, turns: 15, streams: 1000 };
const QUICK = { hostile: 2, rounds: 2, seconds: 2, jobs: 10_000, turns: 3, streams: 1000 };

/** Everything that is measured with the API alone on a core. Prints tables and answers the goals. */
export async function measureApi(scope: Scope, { quick, core, print }: ApiBench): Promise<Goal[]> {
  const { hostile, rounds, seconds, jobs, turns, streams } = quick ? QUICK : FULL;
  const onProgress = (text: string) => print(`measuring ${text}`);
  const taken = { core, rounds, seconds, onProgress };
  const ratios = [...(await measureRatios(scope, taken)), await measureCompat(scope, taken)];
  for (const ratio of ratios) print(ratioTable(ratio));
  const waiting = await measureWaiting(scope, { core, jobs, turns, onProgress });
  print(waitingTable(waiting));
  onProgress(`${streams} event streams`);
  const streaming = await measureStreams(scope, { core, streams });
  print(streamsTable(streaming));
  onProgress(`${streams} sockets`);
  const listening = await measureSockets(scope, { core, sockets: streams });
  print(socketsTable(listening));
  onProgress('attacks that are made to stop the API');
  const attacked = await measureHostile(scope, { core, rounds: hostile });
  print(hostileTable(attacked));
  return [
    ...ratioGoals(ratios),
    ...waitingGoals(waiting),
    ...streamsGoals(streaming),
    ...socketsGoals(listening),
    ...hostileGoals(attacked),
  ];
}
