import type { ErrorCode } from '@comfy-fleet/contracts';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Slots } from '../slots/slots.js';
import { type RestartCommand, runRestartCommand } from './restart-command.js';

const HOUR_MS = 3_600_000;
/** Longest wait between two restarts, however many did not help. */
const LONGEST_WAIT_MS = 1_800_000;

export interface RestartRules {
  readonly command: string;
  /** What the command finds in its environment besides what it is told of the instance. */
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** After a restart that did not help, before the next one; doubling. */
  readonly waitMs: number;
  readonly mostPerHour: number;
}

/** Has instances restarted that do not come right by themselves, by a command of the operator's. */
export interface Restarter {
  /**
   * The instance needs a restart: begins one, unless one is under way or was too lately. To be called again and again while it
   * needs it. The command gets the code alone: the text of an error may come from a caller.
   */
  needed(instance: { readonly name: string; readonly url: string }, reason: ErrorCode): void;
  /** It is well: the next restart is a first one again. */
  well(name: string): void;
}

interface History {
  /** When restarts of the last hour began, by the clock. */
  begun: number[];
  isRunning: boolean;
  /** Restarts since it was last well. */
  inVain: number;
  notBefore: number;
  saidEnough: boolean;
}

interface RestarterOptions {
  /** Undefined: operators restart by hand. */
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
    const fresh = { begun: [], isRunning: false, inVain: 0, notBefore: Number.NEGATIVE_INFINITY, saidEnough: false };
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
    if (code === 0) log.info('the command that restarts the instance is done', fields);
    else log.error('the command that restarts the instance failed', { ...fields, code, timed_out: timedOut });
  };

  return {
    needed: ({ name, url }, reason) => {
      if (rules === undefined) return;
      const history = historyOf(name);
      history.begun = history.begun.filter((at) => at > now() - HOUR_MS);
      if (history.isRunning || now() < history.notBefore) return;
      if (history.begun.length >= rules.mostPerHour) {
        if (!history.saidEnough) {
          log.error('the instance is not restarted again for now: it was as often as it may within an hour', {
            instance: name,
            most: rules.mostPerHour,
          });
        }
        history.saidEnough = true;
        return;
      }
      history.saidEnough = false;
      const told = { COMFY_FLEET_INSTANCE: name, COMFY_FLEET_URL: url, COMFY_FLEET_REASON: reason };
      const { command, environment, timeoutMs } = rules;
      void restart(rules, history, { command, environment: { ...environment, ...told }, timeoutMs }, name);
    },
    well: (name) => {
      const history = histories.get(name);
      if (history === undefined) return;
      history.inVain = 0;
      history.notBefore = Number.NEGATIVE_INFINITY;
    },
  };
}

/** Codes of what a new process mostly puts right: a GPU context that is broken, an executor that takes nothing. */
const PUT_RIGHT: readonly ErrorCode[] = ['gpu_failed', 'prompt_lost'];

/**
 * Has instances restarted that rest from all work for such a reason, as soon as they have failed once more after the first
 * rest and have nothing of ours. A rest for one key's jobs restarts nothing. To be called again and again.
 */
export function restartBroken(
  allSlots: readonly Pick<Slots, 'instance' | 'running' | 'waiting'>[],
  restarter: Restarter,
): void {
  for (const { instance, running, waiting } of allSlots) {
    const { state, rests } = instance.health;
    if (state === 'up') restarter.well(instance.name);
    if (state !== 'resting' || running !== undefined || waiting.length > 0) continue;
    const broken = rests.find(
      ({ scope, count, code }) => Object.keys(scope).length === 0 && count > 1 && PUT_RIGHT.includes(code),
    );
    if (broken !== undefined) restarter.needed(instance, broken.code);
  }
}
