import { type ChildProcess, fork, type StdioOptions } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FramesSettings } from '@comfy-fleet/config';
import { type ErrorCode, type FieldError, FleetError } from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Decoder } from './tasks.js';

/** The bundle of decoder.ts, beside ours: decoder.js, or decoder.mjs in the npm package. */
const PROGRAM = fileURLToPath(new URL(`decoder${extname(import.meta.url)}`, import.meta.url));
/** A child that had nothing to do for this long is ended, because it takes memory. */
const IDLE_MS = 60_000;
/** What a decoder needs besides pixels: code, files, and what the allocator keeps. */
const OWN_BYTES = 224 * 1024 * 1024;
/** Pictures of cameras and editors need less. Those of 16 bits, interlaced and turned need twice as much. */
const BYTES_OF_PIXEL = 8;
/** After a large picture a child keeps memory in pieces that the next large one does not fit into. */
const WORN_BYTES = 160 * 1024 * 1024;

export interface Order {
  readonly task: keyof Decoder;
  readonly args: readonly unknown[];
}

/** The result of a task, its FleetError, or the message of another error. */
export type Outcome =
  | { readonly result: unknown }
  | { readonly fault: { readonly code: ErrorCode; readonly detail: string; readonly errors: FieldError[] } }
  | { readonly message: string };

/** `bytes`: the memory that the child has afterwards. */
type Answer = Outcome & { readonly bytes: number };

export interface ChildOptions {
  readonly frames: FramesSettings;
  /** How long a task may take. */
  readonly seconds: number;
  /** How large a decoded picture may be. */
  readonly maxPixels: number;
}

interface ChildrenOptions extends ChildOptions {
  readonly log: Logger;
  /** Ends the children that have nothing to do. */
  readonly stopping: AbortSignal;
}

/** Starts a decoder. `output`: what becomes of its standard output. */
export function startChild({ frames, maxPixels }: ChildOptions, output: 'inherit' | 'pipe'): ChildProcess {
  const watched = [process.pid, OWN_BYTES + BYTES_OF_PIXEL * maxPixels].map(String);
  const stdio: StdioOptions = ['ignore', output, 'inherit', 'ipc'];
  const child = fork(PROGRAM, watched, { serialization: 'advanced', execArgv: [], stdio });
  child.send(frames);
  return child;
}

/**
 * Runs each task in a child process, which is killed if it takes longer than `seconds` or needs far more memory than
 * pictures of `maxPixels` do: a hostile file may hold a decoder for hours, and neither a timer nor a signal ends a native
 * library or a busy event loop. There are as many children as tasks that run at a time.
 */
export function createDecoder({ log, stopping, ...options }: ChildrenOptions): Decoder {
  const { seconds } = options;
  const idle = new Map<ChildProcess, NodeJS.Timeout>();
  const end = (child: ChildProcess) => {
    clearTimeout(idle.get(child));
    idle.delete(child);
    child.kill('SIGKILL');
  };
  stopping.addEventListener('abort', () => [...idle.keys()].forEach(end), { once: true });

  const start = () => {
    const child = startChild(options, 'inherit');
    child.on('error', (error) => log.error('a decoder failed', { error }));
    child.once('exit', () => end(child));
    return child;
  };
  const release = (child: ChildProcess, bytes: number) => {
    if (stopping.aborted || !child.connected || bytes > WORN_BYTES) return end(child);
    child.unref();
    child.channel?.unref();
    idle.set(child, setTimeout(end, IDLE_MS, child).unref());
  };
  const take = () => {
    const [child = start()] = idle.keys();
    clearTimeout(idle.get(child));
    idle.delete(child);
    child.ref();
    child.channel?.ref();
    return child;
  };

  const run = (order: Order) =>
    new Promise<unknown>((resolve, reject) => {
      const child = take();
      const over = (error: FleetError) => {
        end(child);
        settle(() => reject(error));
      };
      const died = (_code?: number | null, signal?: NodeJS.Signals | null) => {
        log.warn('a decoder died of a file', { task: order.task, signal });
        const isKilled = signal === 'SIGKILL'; // by its watchdog, or because the machine has no memory left
        over(new Undecodable(isKilled ? 'needs too much memory to decode' : 'makes the decoder crash'));
      };
      const late = setTimeout(() => {
        log.warn('a decoder was killed because a file took too long', { task: order.task, seconds });
        over(new Undecodable(`takes longer than ${seconds} s to decode`));
      }, seconds * 1000);
      const answered = (answer: Answer) => {
        settle(() => ('result' in answer ? resolve(answer.result) : reject(errorOf(answer))));
        release(child, answer.bytes);
      };
      const settle = (done: () => void) => {
        clearTimeout(late);
        child.off('exit', died);
        child.off('message', answered);
        done();
      };
      child.once('exit', died);
      child.once('message', answered);
      child.send(order, (error) => error && died());
    });
  return new Proxy({} as Decoder, {
    get: (_target, task) => (task === 'then' ? undefined : (...args: unknown[]) => run({ task, args } as Order)),
  });
}

/** A file that no decoder could finish. */
export class Undecodable extends FleetError {
  readonly why: string;

  constructor(why: string) {
    super('invalid_image', `The file ${why}.`);
    this.why = why;
  }
}

function errorOf(answer: Exclude<Outcome, { readonly result: unknown }>): Error {
  if ('message' in answer) return new Error(answer.message);
  const { code, detail, errors } = answer.fault;
  return new FleetError(code, detail, { errors });
}
