import type { Output } from '@comfy-fleet/client';
import type { Terminal } from '../../command.js';
import type { Graphics } from './graphics.js';
import { kittyPicture } from './kitty.js';

/** In pixels: enough for most windows, and little to send over SSH. One of the widths that the API offers. */
const WIDTH = 512;
const COLORS = 256;

/** Draws a picture at the cursor. It does nothing for files that are none. */
export async function drawPicture(terminal: Terminal, graphics: Graphics, output: Output): Promise<void> {
  if (output.kind !== 'image') return;
  const whole = output.width !== undefined && output.width <= WIDTH;
  const content = await output.download({ format: 'png', ...(whole ? {} : { width: WIDTH }) });
  terminal.write(`${await sequenceOf(graphics, new Uint8Array(await content.arrayBuffer()))}\n`);
}

async function sequenceOf(graphics: Graphics, png: Uint8Array): Promise<string> {
  if (graphics === 'kitty') return kittyPicture(png);
  if (graphics === 'iterm2') return (await import('ansi-escapes')).image(png);
  const [{ image2sixel }, { pixelsOf }] = await Promise.all([import('sixel'), import('./pixels.js')]);
  const { width, height, data } = pixelsOf(png);
  return image2sixel(data, width, height, COLORS);
}
