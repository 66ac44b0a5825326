import { mkdtemp, open, rm } from 'node:fs/promises';
import { cpus, freemem, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { orAborted } from '@comfy-fleet/contracts';
import { type Goal, goalTable, isMet, percentile } from '../lib/report.js';
import { Scope } from '../lib/scope.js';

export interface MeasureOptions {
  /** Measures less, to check that the benchmark works, not to compare numbers. */
  readonly quick: boolean;
  /** The only section to measure; undefined for all. */
  readonly section: string | undefined;
  readonly print: (text: string) => void;
}

export interface Measurement {
  readonly usage: string;
  /** The parts that can be measured alone. */
  readonly sections?: readonly string[];
  /** Prints tables and returns the goals. Everything that it starts is stopped with the scope. */
  measure(scope: Scope, options: MeasureOptions): Promise<Goal[]>;
}

const print = (text: string) => {
  process.stdout.write(`${text}\n`);
};

/** Describes the machine, measures, and prints the goals. Resolves to the exit code. */
export async function runMeasurement(
  { usage, sections = [], measure }: Measurement,
  args: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const options = readOptions(args, sections);
  if (options.help) {
    print(usage);
    return 0;
  }
  print(machine());
  print(`${await durableWrite()}; ${load()} before it began`);
  const began = performance.now();
  const scope = new Scope();
  try {
    const goals = await orAborted(measure(scope, { quick: options.quick, section: options.section, print }), signal);
    print(goalTable(goals));
    const missed = goals.filter((goal) => !isMet(goal)).length;
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    print(`${goals.length - missed} goals met, ${missed} missed; it took ${seconds} s; ${load()} now`);
    return missed > 0 && options.goals ? 1 : 0;
  } finally {
    await scope.close();
  }
}

interface Options extends Pick<MeasureOptions, 'quick' | 'section'> {
  /** Whether a missed goal makes the exit code 1. */
  readonly goals: boolean;
}

/** Throws a TypeError that names an unknown option or section. */
export function readOptions(
  args: readonly string[],
  sections: readonly string[] = [],
): Options & { readonly help: boolean } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean' },
      'no-goals': { type: 'boolean' },
      help: { type: 'boolean' },
      section: { type: 'string' },
    },
  });
  const { quick = false, 'no-goals': noGoals = false, help = false, section } = values;
  if (section !== undefined && !sections.includes(section)) {
    throw new TypeError(`--section ${section}: the sections are ${sections.join(', ') || 'not separate'}`);
  }
  return { quick, goals: !noGoals, help, section };
}

const GIB = 1024 ** 3;

/** Describes the machine in one line. */
function machine(): string {
  const [first] = cpus();
  const memory = `${(freemem() / GIB).toFixed(1)} of ${(totalmem() / GIB).toFixed(1)} GiB free`;
  const { arch, platform, version } = process;
  return `Node ${version} on ${platform} ${arch}, ${cpus().length} × ${first?.model.trim()}, ${memory}`;
}

/** The load average of the last minute. */
function load(): string {
  return `load ${(loadavg()[0] ?? 0).toFixed(2)}`;
}

const WRITES = 100;
const BYTES = 200;

/** Measures small durable writes to disk. Redis makes some of them in each step of a job. */
async function durableWrite(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'comfy-fleet-bench-disk-'));
  const file = await open(join(dir, 'log'), 'a');
  const ms: number[] = [];
  try {
    for (let n = 0; n < WRITES; n++) {
      const began = performance.now();
      await file.appendFile(Buffer.alloc(BYTES));
      await file.datasync();
      ms.push(performance.now() - began);
    }
  } finally {
    await file.close();
    await rm(dir, { recursive: true });
  }
  const [p50, p95] = [50, 95].map((share) => percentile(ms, share).toFixed(1));
  return `a durable write takes ${p50} ms (p50), ${p95} ms (p95)`;
}
