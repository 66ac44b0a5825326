import type { Output } from '@comfy-fleet/client';
import { createSupportsTerminalGraphics } from 'supports-terminal-graphics';
import type { Terminal } from '../../command.js';
import { kittyPicture } from './kitty.js';

/** In pixels: enough for most windows, and little to send over SSH. One of the widths that the API offers. */
const WIDTH = 512;

/** Draws a picture in a terminal that can, and its format; elsewhere, and for other files, it does nothing. */
export async function drawPicture(terminal: Terminal, output: Output): Promise<void> {
  const { kitty, iterm2, sixel } = createSupportsTerminalGraphics({ isTTY: true });
  if (output.kind !== 'image' || !(kitty || iterm2 || sixel)) return;
  const whole = output.width !== undefined && output.width <= WIDTH;
  const content = await output.download({ format: 'png', ...(whole ? {} : { width: WIDTH }) });
  const png = new Uint8Array(await content.arrayBuffer());
  if (kitty) terminal.write(`${kittyPicture(png)}\n`);
  else if (iterm2) terminal.write(`${(await import('ansi-escapes')).image(png)}\n`);
  else terminal.write(`${(await import('./sixel-picture.js')).sixelPicture(png)}\n`);
}
