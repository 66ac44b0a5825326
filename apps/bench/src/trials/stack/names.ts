/** How many of each there are. */
export interface Shape {
  readonly apis: number;
  readonly workers: number;
  readonly simulatorsPerWorker: number;
  readonly dispatchers: number;
}

/** The processes of a stack by name. */
export interface StackNames {
  readonly apis: readonly string[];
  readonly workers: readonly string[];
  /** Named as their instances are, in the order of their workers: worker1 has the first ones. */
  readonly simulators: readonly string[];
  readonly dispatchers: readonly string[];
}

/** `api1`, `worker1`, `worker1/1`, `dispatcher1`; an api that is the only one is just `api`. */
export function namesOf({ apis, workers, simulatorsPerWorker, dispatchers }: Shape): StackNames {
  const workerNames = numbered('worker', workers);
  return {
    apis: apis === 1 ? ['api'] : numbered('api', apis),
    workers: workerNames,
    simulators: workerNames.flatMap((worker) => numbered(`${worker}/`, simulatorsPerWorker)),
    dispatchers: numbered('dispatcher', dispatchers),
  };
}

function numbered(word: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${word}${n + 1}`);
}
