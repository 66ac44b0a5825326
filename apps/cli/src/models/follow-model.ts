import { setTimeout as delay } from 'node:timers/promises';
import type { Fleet, Model, ModelCopy } from '@comfy-fleet/client';
import { callerSettings } from '@comfy-fleet/config';
import { createLogUpdate } from 'log-update';
import type { JsonOptions } from '../callers/options.js';
import { bar } from '../callers/progress-bar.js';
import { CommandError, type CommandIo } from '../command.js';
import { EXIT, Interrupted } from '../exit-codes.js';
import { widthOf } from '../table.js';
import { duration, fitting, showBytes } from '../text.js';
import { placeOf } from './model-text.js';

const NO_FOLDER =
  'No worker fetches models. Set COMFYUI_MODELS_DIR for the workers; then they fetch it, and comfy-fleet models fetch follows that.';
/** There are no events for models, so they are polled. */
const POLL_MS = 1_000;

interface Followed {
  readonly model: Model;
  readonly code: number;
}

/** Follows a fetch until a worker has the model, or all that tried have failed. `before` is the model before it was asked for. */
export async function followFetch(fleet: Fleet, before: Model, options: JsonOptions, io: CommandIo): Promise<Followed> {
  if ((await fleet.models.list()).folders.length === 0) throw new CommandError(NO_FOLDER, EXIT.failed);
  const old = new Map(before.copies.map(({ folder, error }) => [folder, error?.at]));
  const hasFailed = ({ state, folder, error }: ModelCopy) => state === 'failed' && error?.at !== old.get(folder);
  return follow(fleet, before, { ...options, verb: 'fetch' }, io, ({ copies }) => {
    if (copies.some(({ state }) => state === 'fetching')) return undefined;
    if (copies.some(hasFailed)) return EXIT.failed;
    return copies.some(({ state }) => state === 'ready') ? EXIT.done : undefined;
  });
}

/** Follows a verification until each copy that was ready is verified or has failed. */
export function followVerify(fleet: Fleet, before: Model, options: JsonOptions, io: CommandIo): Promise<Followed> {
  const old = new Map(before.copies.map(({ folder, verified_at: at }) => [folder, at]));
  const isOpen = ({ state, folder, verified_at: at }: ModelCopy) => state === 'ready' && old.get(folder) === at;
  return follow(fleet, before, { ...options, verb: 'verify' }, io, ({ copies }) => {
    if (copies.some(isOpen)) return undefined;
    return copies.some(({ state }) => state === 'failed') ? EXIT.failed : EXIT.done;
  });
}

/** Polls the model and draws its copies until `codeOf` knows the exit code. Throws Interrupted at Ctrl-C. */
async function follow(
  fleet: Fleet,
  { kind, name }: Model,
  { json, verb }: JsonOptions & { readonly verb: string },
  { terminal, env, interrupted }: CommandIo,
  codeOf: (model: Model) => number | undefined,
): Promise<Followed> {
  const signal = interrupted();
  const screen = terminal === undefined || json === true ? undefined : createLogUpdate(terminal as NodeJS.WriteStream);
  try {
    for (;;) {
      const model = await fleet.models.get(kind, name, { signal });
      const code = codeOf(model);
      if (code !== undefined) return { model, code };
      screen?.(copyLines(model, widthOf(terminal)).join('\n'));
      await delay(POLL_MS, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    const { program } = callerSettings(env);
    throw new Interrupted(`The workers go on.\nTo follow them:  ${program} models ${verb} ${kind}/${name}`);
  } finally {
    screen?.clear();
    screen?.done();
  }
}

/** A line for each copy that is not finished. */
export function copyLines({ copies, bytes }: Model, columns: number): string[] {
  const lines = copies
    .filter(({ state }) => state === 'fetching')
    .map((copy) => {
      const { bytes, fetched, eta_seconds: left } = copy;
      return bar(
        bytes === 0 ? 0 : fetched / bytes,
        [
          bytes === 0 ? 'begins' : `${Math.floor((fetched / bytes) * 100)} % of ${showBytes(bytes)}`,
          ...(left === null ? [] : [`about ${duration(left)} left`]),
          placeOf(copy),
        ],
        columns,
      );
    });
  if (lines.length > 0) return lines;
  const size = bytes === null ? '' : ` (${showBytes(bytes)})`;
  return [fitting(`Waiting for a worker that manages a model folder${size}.`, columns)];
}
