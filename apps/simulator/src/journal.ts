import { appendFileSync, closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * The journal records what was really executed. Benchmarks and the chaos run compare it with what the service reports.
 *
 * It is a text file with one JSON object per line. Each line is appended synchronously with a single call, so it
 * survives SIGKILL (but not a power cut, as there is no fsync), and several simulators can share a file.
 *
 * `start` is written when a prompt is taken from the queue, and `end` when it ends for any reason while the process
 * lives; an execution without `end` was cut short. `sequence` counts the lines of one process. `run` pairs a start with
 * its end, because the same prompt id may run twice.
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
  /** The prompt's number, by which the queue is ordered. */
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
  /** `lost`: a lost_prompt fault ended it. */
  readonly outcome: 'success' | 'error' | 'interrupted' | 'lost';
  /** Sampler steps done. */
  readonly steps: number;
  /** Ids of the nodes whose results came from the cache. */
  readonly cached: readonly string[];
  /** Model files that were loaded, in order, by their names in the graph. */
  readonly loaded: readonly string[];
  /** Model files that were moved into the device's memory, in order. */
  readonly moved: readonly string[];
}

export function appendJournal(path: string, line: JournalLine): void {
  mkdirSync(dirname(path), { recursive: true });
  appendFileSync(path, `${JSON.stringify(line)}\n`);
}

/** All complete lines of a journal, in order; none if the file does not exist. */
export function readJournal(path: string): JournalLine[] {
  return existsSync(path) ? linesOf(readFileSync(path, 'utf8')) : [];
}

/** Like readJournal, for repeated calls: each call reads only what was appended since the last one. */
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
