import { callerSettings, type Environment } from '@comfy-fleet/config';
import { createSupportsTerminalGraphics } from 'supports-terminal-graphics';

/** The ways in which terminals take pictures, the better ones first. */
export const GRAPHICS = ['kitty', 'iterm2'] as const;
export type Graphics = (typeof GRAPHICS)[number];

/** The way of this terminal; undefined: it takes none, or tmux or screen stands between, which would not pass it on. */
export function graphicsOf(env?: Environment): Graphics | undefined {
  if (callerSettings(env).isMultiplexed) return undefined;
  const can = createSupportsTerminalGraphics({ isTTY: true });
  return GRAPHICS.find((way) => can[way]);
}
