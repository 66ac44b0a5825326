import type { Block, Blocks } from './fleet-view.js';

/** Lines of a part that does not get as many as it wants; the instances get what the others leave. */
const MOST = { alerts: 4, pools: 5, keys: 7 } as const;
const LEAST_INSTANCES = 4;

/** What fits into a screen, and how far the instances can be scrolled. */
export interface Fitted {
  readonly lines: readonly string[];
  readonly lastScroll: number;
}

/** The parts in exactly `height` lines. `scroll` instances are above those that are shown. */
export function fitBlocks({ summary, alerts, pools, instances, keys }: Blocks, height: number, scroll: number): Fitted {
  const wanted = [alerts, pools, keys] as const;
  const sizes = [MOST.alerts, MOST.pools, MOST.keys].map((most, at) => Math.min(most, wanted[at]?.lines.length ?? 0));
  const gaps = () => sizes.filter((size) => size > 0).length + 1;
  const left = () => height - summary.lines.length - sizes.reduce((sum, size) => sum + size, 0) - gaps();
  // A low terminal: first the keys go, then the pools, then what there is to say.
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

/** So many lines of a part: the last says how many are not shown. */
function cut({ lines, fixed }: Block, size: number, scroll: number): readonly string[] {
  if (size === 0 || lines.length <= size) return size === 0 ? [] : lines;
  const shown = [...lines.slice(0, fixed), ...lines.slice(fixed + scroll)].slice(0, size);
  const below = lines.length - scroll - size;
  return below > 0 ? [...shown.slice(0, -1), `… and ${below + 1} more`] : shown;
}
