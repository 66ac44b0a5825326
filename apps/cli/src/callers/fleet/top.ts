import { setTimeout as delay } from 'node:timers/promises';
import { type Fleet, FleetError, FleetUnreachableError } from '@comfy-fleet/client';
import ansi from 'ansi-escapes';
import type { Keyboard, Terminal } from '../../command.js';
import { codeOfStatus, EXIT } from '../../exit-codes.js';
import { toned } from '../table.js';
import { fitting } from '../words.js';
import { fitBlocks } from './fit-blocks.js';
import { SORTS, type Sort } from './fleet-tables.js';
import { type FleetView, fleetBlocks } from './fleet-view.js';
import { onKeys } from './keys.js';
import { lookAtFleet } from './look-at-fleet.js';

export interface Top {
  readonly terminal: Terminal;
  readonly keyboard: Keyboard | undefined;
  readonly every: number;
  readonly signal: AbortSignal;
}

/** Shows the fleet on the whole terminal until the key q or the signal. Rejects with what the API refuses. */
export async function runTop(fleet: Fleet, { terminal, keyboard, every, signal }: Top): Promise<void> {
  const stop = new AbortController();
  /** Ends the pause before the next look. */
  let soon = new AbortController();
  const end = () => {
    stop.abort();
    soon.abort();
  };
  signal.addEventListener('abort', end);
  let sort: Sort = 'name';
  let scroll = 0;
  let lastScroll = 0;
  let view: FleetView | undefined;
  let trouble: string | undefined = 'asking …';

  const draw = () => {
    const [width, height] = [(terminal.columns ?? 80) - 1, (terminal.rows ?? 24) - 1];
    const isColored = terminal.hasColors?.() ?? false;
    const fitted =
      view === undefined
        ? { lines: Array<string>(height).fill(''), lastScroll: 0 }
        : fitBlocks(fleetBlocks(view, { width, isColored, sort }), height, scroll);
    lastScroll = fitted.lastScroll;
    scroll = Math.min(scroll, lastScroll);
    const state =
      trouble ?? `q quit · s sort (by ${sort}) · ↑↓ scroll · space look now · ${new Date().toLocaleTimeString()}`;
    const foot = toned(fitting(state, width + 1), trouble === undefined ? 'dim' : 'bad', isColored);
    const lines = [...fitted.lines, foot].map((line) => `${line}${ansi.eraseEndLine}`);
    terminal.write(`${ansi.cursorTo(0, 0)}${lines.join('\r\n')}`);
  };
  const act = (key: string) => {
    if (key === 'q' || key === 'escape' || key === 'ctrl-c') return end();
    else if (key === 's') sort = SORTS[(SORTS.indexOf(sort) + 1) % SORTS.length] ?? 'name';
    else if (key === 'up' || key === 'pageup') scroll = Math.max(0, scroll - (key === 'up' ? 1 : 10));
    else if (key === 'down' || key === 'pagedown') scroll = Math.min(lastScroll, scroll + (key === 'down' ? 1 : 10));
    else if (key === 'space') soon.abort();
    draw();
  };

  const release = keyboard === undefined ? () => {} : onKeys(keyboard, act);
  terminal.write(ansi.enterAlternativeScreen + ansi.cursorHide);
  terminal.on('resize', draw);
  draw();
  try {
    while (!stop.signal.aborted) {
      try {
        view = await lookAtFleet(fleet, { signal: stop.signal });
        trouble = undefined;
      } catch (error) {
        if (!passes(error)) throw error;
        trouble = `${error.message}${view === undefined ? '' : ': what stands here is old.'}`;
      }
      draw();
      soon = new AbortController();
      await delay(every * 1000, undefined, { signal: soon.signal }).catch(() => {});
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', end);
    terminal.off('resize', draw);
    release();
    terminal.write(ansi.cursorShow + ansi.exitAlternativeScreen);
  }
}

/** It may answer later. */
function passes(error: unknown): error is Error {
  if (error instanceof FleetError) return codeOfStatus(error.status) === EXIT.unavailable;
  return error instanceof FleetUnreachableError;
}
