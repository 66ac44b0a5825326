import { spawn } from 'node:child_process';
import type { ErrorCode } from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Slots } from '../slots/slots.js';

const HOUR_MS = 3_600_000;
/** Longest wait between two restarts, however many did not help. */
const LONGEST_WAIT_MS = 1_800_000;

export interface RestartRules {
  readonly command: string;
  /** Environment of the command, besides the variables about the instance. */
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Wait after a restart that did not help; it doubles each time. */
  readonly waitMs: number;
  readonly mostPerHour: number;
}

/** Restarts instances that do not recover, with a command of the operator. */
export interface Restarter {
  /**
   * Starts a restart, unless one is running or the last one was too recent. Call it repeatedly while the instance needs
   * one. The command gets only the error code, because a caller may control the text of an error.
   */
  needed(instance: { readonly name: string; readonly url: string }, reason: ErrorCode): void;
  /** The instance has recovered, so the wait starts anew. */
  recovered(name: string): void;
}

interface History {
  /** When restarts of the last hour began. */
  begun: number[];
  isRunning: boolean;
  /** Restarts since it last worked. */
  inVain: number;
  notBefore: number;
  limitLogged: boolean;
}

interface RestarterOptions {
  /** Undefined: operators restart instances. */
  readonly rules: RestartRules | undefined;
  readonly log: Logger;
  readonly now?: () => number;
  readonly run?: typeof runRestartCommand;
}

export function createRestarter({
  rules,
  log,
  now = () => performance.now(),
  run = runRestartCommand,
}: RestarterOptions): Restarter {
  const histories = new Map<string, History>();
  const historyOf = (name: string): History => {
    const fresh = { begun: [], isRunning: false, inVain: 0, notBefore: Number.NEGATIVE_INFINITY, limitLogged: false };
    const history = histories.get(name) ?? fresh;
    histories.set(name, history);
    return history;
  };

  const restart = async (rules: RestartRules, history: History, about: RestartCommand, instance: string) => {
    log.warn('restarting the instance', { instance, tries: history.inVain + 1 });
    const begun = now();
    history.isRunning = true;
    history.begun.push(begun);
    const { code, timedOut, output } = await run(about);
    history.isRunning = false;
    history.notBefore = now() + Math.min(LONGEST_WAIT_MS, rules.waitMs * 2 ** history.inVain);
    history.inVain += 1;
    const fields = { instance, ms: Math.round(now() - begun), output };
    if (code === 0) log.info('the restart command has finished', fields);
    else log.error('the restart command failed', { ...fields, code, timed_out: timedOut });
  };

  return {
    needed: ({ name, url }, reason) => {
      if (rules === undefined) return;
      const history = historyOf(name);
      history.begun = history.begun.filter((at) => at > now() - HOUR_MS);
      if (history.isRunning || now() < history.notBefore) return;
      if (history.begun.length >= rules.mostPerHour) {
        if (!history.limitLogged) {
          log.error('the instance is not restarted for now: it reached the limit of restarts per hour', {
            instance: name,
            most: rules.mostPerHour,
          });
        }
        history.limitLogged = true;
        return;
      }
      history.limitLogged = false;
      const variables = { COMFY_FLEET_INSTANCE: name, COMFY_FLEET_URL: url, COMFY_FLEET_REASON: reason };
      const { command, environment, timeoutMs } = rules;
      void restart(rules, history, { command, environment: { ...environment, ...variables }, timeoutMs }, name);
    },
    recovered: (name) => {
      const history = histories.get(name);
      if (history === undefined) return;
      history.inVain = 0;
      history.notBefore = Number.NEGATIVE_INFINITY;
    },
  };
}

/** Errors that a new process usually cures: a broken GPU context, an executor that accepts nothing. */
const PUT_RIGHT: readonly ErrorCode[] = ['gpu_failed', 'prompt_lost'];

/**
 * Restarts instances that rest from all work because of such an error, once they have failed again after the first rest
 * and have no jobs of ours. A rest for one key's jobs restarts nothing. Call it repeatedly.
 */
export function restartBroken(
  allSlots: readonly Pick<Slots, 'instance' | 'running' | 'waiting'>[],
  restarter: Restarter,
): void {
  for (const { instance, running, waiting } of allSlots) {
    const { state, rests } = instance.health;
    if (state === 'up') restarter.recovered(instance.name);
    if (state !== 'resting' || running !== undefined || waiting.length > 0) continue;
    const broken = rests.find(
      ({ scope, count, code }) => Object.keys(scope).length === 0 && count > 1 && PUT_RIGHT.includes(code),
    );
    if (broken !== undefined) restarter.needed(instance, broken.code);
  }
}

/** How much of the end of its output is kept. */
const KEPT_CHARS = 2000;

export interface RestartCommand {
  /** For the shell, exactly as the operator wrote it; information about the instance is in its environment. */
  readonly command: string;
  readonly environment: Readonly<Record<string, string>>;
  /** After this time it is killed, with all processes that it started. */
  readonly timeoutMs: number;
}

export interface RestartResult {
  /** Undefined when a signal ended it, or when it could not be started. */
  readonly code: number | undefined;
  readonly timedOut: boolean;
  /** The end of its output. */
  readonly output: string;
}

/** Runs the command to its end. Never throws. */
export async function runRestartCommand(asked: RestartCommand): Promise<RestartResult> {
  // Covers an invalid environment, which spawn refuses by throwing.
  return run(asked).catch((error: unknown) => ({ code: undefined, timedOut: false, output: String(error) }));
}

function run({ command, environment, timeoutMs }: RestartCommand): Promise<RestartResult> {
  return new Promise((resolve) => {
    // In its own process group, so that the time limit kills what the shell started, and the end of this process does
    // not.
    const child = spawn(command, { shell: true, detached: true, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let timedOut = false;
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-KEPT_CHARS);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const timer = setTimeout(() => {
      timedOut = true;
      endGroup(child.pid);
      // A process that left the group keeps the pipes open; do not wait for it.
      child.stdout.destroy();
      child.stderr.destroy();
    }, timeoutMs);
    const done = (code: number | undefined, said = output) => {
      clearTimeout(timer);
      resolve({ code, timedOut, output: said.trim() });
    };
    child.once('error', (error) => done(undefined, error.message));
    child.once('close', (code) => done(code ?? undefined));
  });
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
