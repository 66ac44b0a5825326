import { FleetError } from '@comfy-fleet/contracts';
import type { InstanceNames } from '@comfy-fleet/jobs';
import type { Logger } from '@comfy-fleet/telemetry';
import type { Slots } from '../slots/slots.js';
import { runWarmUp } from './run-warm-up.js';
import type { WarmUpOrder } from './warm-up-order.js';

/** Keeps an instance from jobs until it has run the warm-up: at the start, and after each restart of its ComfyUI. */
export interface WarmUp {
  /** Warms it up, if that is due, nothing else keeps it from work, and it has nothing of ours. To be called again and again. */
  look(): Promise<void>;
}

interface Options {
  readonly slots: Slots;
  readonly order: WarmUpOrder;
  readonly names: Pick<InstanceNames, 'outputPrefix'>;
  readonly pollMs: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** After so many in a row under which its ComfyUI died there are no more: it may be the warm-up that it dies of. */
const MOST_DEATHS = 2;

export function createWarmUp({ slots, order, names, pollMs, signal, log }: Options): WarmUp {
  const { instance } = slots;
  const { name, health } = instance;
  let isDue = false;
  let deaths = 0;
  /** Of the last one that ended well; its ComfyUI remembers it until it is restarted. */
  let promptId: string | undefined;

  const due = () => {
    if (deaths >= MOST_DEATHS) return;
    isDue = true;
    health.close('warming', `it is given jobs once it has run ${order.workflow.name} to load its models`);
  };
  const isWarm = async () => {
    const ended = promptId;
    return ended !== undefined && (await instance.ask((client) => client.history(ended, signal))) !== undefined;
  };
  const warm = async () => {
    const start = performance.now();
    try {
      promptId = await runWarmUp(slots, order, { names, pollMs, signal });
      deaths = 0;
      log.info('instance is warmed up', { instance: name, ms: Math.round(performance.now() - start) });
    } catch (error) {
      if (signal.aborted) return;
      const died = isDue || isUnreachable(error);
      deaths = died ? deaths + 1 : 0;
      isDue = died && deaths < MOST_DEATHS;
      const then = isDue ? 'it is tried once more' : 'the instance is given jobs all the same';
      log.warn(`the warm-up failed; ${then}`, { instance: name, error });
    }
  };

  due();
  instance.events.on('disconnected', due);
  instance.events.on('health', () => {
    if (health.state === 'down') due();
  });
  return {
    look: async () => {
      if (!isDue || health.state !== 'warming' || slots.drains || slots.onGpu.length > 0) return;
      isDue = false;
      try {
        if (!(await isWarm())) await warm();
      } catch (error) {
        isDue = true;
        if (!isUnreachable(error)) throw error;
      }
      if (!isDue) health.open('warming');
    },
  };
}

function isUnreachable(error: unknown): boolean {
  return error instanceof FleetError && error.code === 'instance_unreachable';
}
