import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The core of the API, and that of everything else: the load, and Redis. As taskset counts them. */
export interface Cores {
  readonly api: string;
  readonly others: string;
}

/** The first two of the cores that this process may use; undefined when there is one only, or no taskset. */
export async function findCores(): Promise<Cores | undefined> {
  const answer = await run('taskset', ['-cp', `${process.pid}`]).catch(() => undefined);
  const [api, others] = answer === undefined ? [] : coresIn(answer.stdout);
  return api === undefined || others === undefined ? undefined : { api, others };
}

/** The numbers in what `taskset -cp` says: "pid 42's current affinity list: 0,2-4". */
export function coresIn(text: string): string[] {
  const list = text.slice(text.lastIndexOf(':') + 1).trim();
  return list.split(',').flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, n) => `${first + n}`);
  });
}

/** Keeps a process, with all its threads and what it starts from now on, to these cores. */
export async function keepTo(cores: string, pid: number): Promise<void> {
  await run('taskset', ['-acp', cores, `${pid}`]);
}
