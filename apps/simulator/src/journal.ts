import { appendFileSync, closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * The witness of benchmarks and of the chaos run: what really ran, whatever anybody else believes.
 *
 * A text file with one JSON object a line, written with a synchronous append before anything else happens: a line
 * that was begun by this process is in the kernel's hands when the next statement runs, and survives SIGKILL (not a
 * power cut; there is no fsync). Several simulators may share a file, a line is written by one call.
 *
 * `start` is written when a prompt is taken off the queue, `end` when it has ended in any way that the process lives to
 * see: an execution without `end` was cut short. `sequence` counts the lines of one process; `run` ties a start
 * to its end, for the same prompt id may run twice.
 */
export type JournalLine = JournalStart | JournalEnd;

interface JournalEntry {
  readonly sequence: number;
  readonly pid: number;
  /** Port of the simulated instance. */
  readonly port: number;
  readonly run: number;
  readonly prompt_id: string;
  readonly client_id: string | null;
  /** The prompt's place in the order of service. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly started_at: number;
}

export interface JournalStart extends JournalEntry {
  readonly event: 'start';
}

export interface JournalEnd extends JournalEntry {
  readonly event: 'end';
  readonly ended_at: number;
  /** `lost`: forgotten in the middle, by a lost_prompt fault. */
  readonly outcome: 'success' | 'error' | 'interrupted' | 'lost';
  /** Sampler steps done. */
  readonly steps: number;
  /** Ids of the nodes that the cache answered. */
  readonly cached: readonly string[];
  /** Model files that were read, in order: their names as the graph has them. */
  readonly loaded: readonly string[];
}

export function appendJournal(path: string, line: JournalLine): void {
  mkdirSync(dirname(path), { recursive: true });
  appendFileSync(path, `${JSON.stringify(line)}\n`);
}

/** Every whole line of a journal, in order; none if the file does not exist. */
export function readJournal(path: string): JournalLine[] {
  return existsSync(path) ? linesOf(readFileSync(path, 'utf8')) : [];
}

/** The same of a journal that is looked at again and again: each time only what came since is read. */
export function followJournal(path: string): () => readonly JournalLine[] {
  const lines: JournalLine[] = [];
  let at = 0;
  return () => {
    const more = readFrom(path, at);
    const end = more.lastIndexOf('\n') + 1;
    for (const line of linesOf(more.toString('utf8', 0, end))) lines.push(line);
    at += end;
    return lines;
  };
}

function linesOf(text: string): JournalLine[] {
  const lines = text.split('\n');
  return lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line) as JournalLine);
}

function readFrom(path: string, at: number): Buffer {
  if (!existsSync(path)) return Buffer.alloc(0);
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(fstatSync(file).size - at);
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, at));
  } finally {
    closeSync(file);
  }
}
