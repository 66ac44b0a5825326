import { emitKeypressEvents, type Key } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { type Fleet, FleetError, FleetUnreachableError } from '@comfy-fleet/client';
import ansi from 'ansi-escapes';
import type { Keyboard, Terminal } from '../command.js';
import { codeOfStatus, EXIT } from '../exit-codes.js';
import { toned, widthOf } from '../table.js';
import { fitting } from '../text.js';
import { SORTS, type Sort } from './fleet-tables.js';
import { type Block, type Blocks, type FleetView, fleetBlocks, readFleet } from './fleet-view.js';

export interface Top {
  readonly terminal: Terminal;
  readonly keyboard: Keyboard | undefined;
  readonly every: number;
  readonly signal: AbortSignal;
}

/** Shows the fleet on the whole terminal until q is pressed or the signal aborts. Rejects if the API refuses a request. */
export async function runTop(fleet: Fleet, { terminal, keyboard, every, signal }: Top): Promise<void> {
  const stop = new AbortController();
  /** Aborting it refreshes the view at once. */
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
  let trouble: string | undefined = 'connecting …';

  const draw = () => {
    const [width, height] = [widthOf(terminal) - 1, (terminal.rows || 24) - 1];
    const isColored = terminal.hasColors?.() ?? false;
    const fitted =
      view === undefined
        ? { lines: Array<string>(height).fill(''), lastScroll: 0 }
        : fitBlocks(fleetBlocks(view, { width, isColored, sort }), height, scroll);
    lastScroll = fitted.lastScroll;
    scroll = Math.min(scroll, lastScroll);
    const state =
      trouble ?? `q quit · s sort (by ${sort}) · ↑↓ scroll · space refresh · ${new Date().toLocaleTimeString()}`;
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
        view = await readFleet(fleet, { signal: stop.signal });
        trouble = undefined;
      } catch (error) {
        if (!isTransient(error)) throw error;
        trouble = `${error.message}${view === undefined ? '' : ' This view is out of date.'}`;
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

/** Whether the API may answer later. */
function isTransient(error: unknown): error is Error {
  if (error instanceof FleetError) return codeOfStatus(error.status) === EXIT.unavailable;
  return error instanceof FleetUnreachableError;
}

/** The most lines of each part when space is short; the instances get the rest. */
const MOST = { alerts: 4, pools: 5, keys: 7 } as const;
const LEAST_INSTANCES = 4;

/** The lines that fit on the screen, and how far the instances can be scrolled. */
export interface Fitted {
  readonly lines: readonly string[];
  readonly lastScroll: number;
}

/** Fits the parts into exactly `height` lines, with the instances scrolled down by `scroll`. */
export function fitBlocks({ summary, alerts, pools, instances, keys }: Blocks, height: number, scroll: number): Fitted {
  const wanted = [alerts, pools, keys] as const;
  const sizes = [MOST.alerts, MOST.pools, MOST.keys].map((most, at) => Math.min(most, wanted[at]?.lines.length ?? 0));
  const gaps = () => sizes.filter((size) => size > 0).length + 1;
  const left = () => height - summary.lines.length - sizes.reduce((sum, size) => sum + size, 0) - gaps();
  // On a low terminal, shrink the keys first, then the pools, then the alerts.
  for (let at = sizes.length - 1; at >= 0 && left() < Math.min(LEAST_INSTANCES, instances.lines.length); at--) {
    const lack = Math.min(LEAST_INSTANCES, instances.lines.length) - left();
    const rest = (sizes[at] ?? 0) - lack;
    sizes[at] = rest < 2 ? 0 : rest;
  }
  const room = Math.max(0, left());
  const [alertLines = [], poolLines = [], keyLines = []] = wanted.map((block, at) => cut(block, sizes[at] ?? 0, 0));
  const lastScroll = Math.max(0, instances.lines.length - room);
  const instanceLines = cut(instances, room, Math.min(scroll, lastScroll));
  const parts = [summary.lines, alertLines, poolLines, instanceLines, keyLines].filter((lines) => lines.length > 0);
  const lines = parts.flatMap((part, at) => (at === 0 ? part : ['', ...part])).slice(0, height);
  return { lines: [...lines, ...Array<string>(height - lines.length).fill('')], lastScroll };
}

/** Cuts a part to `size` lines; the last says how many are hidden. */
function cut({ lines, fixed }: Block, size: number, scroll: number): readonly string[] {
  if (size === 0 || lines.length <= size) return size === 0 ? [] : lines;
  const shown = [...lines.slice(0, fixed), ...lines.slice(fixed + scroll)].slice(0, size);
  const below = lines.length - scroll - size;
  return below > 0 ? [...shown.slice(0, -1), `… and ${below + 1} more`] : shown;
}

/** Calls `act` with the name of each pressed key (`q`, `up`, `space`, `ctrl-c`), until the returned function is called. */
function onKeys(keyboard: Keyboard, act: (key: string) => void): () => void {
  const onKey = (_text: string | undefined, { name = '', ctrl = false }: Key) => act(ctrl ? `ctrl-${name}` : name);
  emitKeypressEvents(keyboard);
  keyboard.on('keypress', onKey);
  keyboard.setRawMode(true);
  keyboard.resume();
  return () => {
    keyboard.off('keypress', onKey);
    keyboard.setRawMode(false);
    keyboard.pause();
  };
}
