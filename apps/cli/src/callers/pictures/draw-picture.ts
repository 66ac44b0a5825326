import type { Output } from '@comfy-fleet/client';
import type { Terminal } from '../../command.js';
import type { Graphics } from './graphics.js';
import { kittyPicture } from './kitty.js';

/** In pixels: enough for most windows, and little to send over SSH. One of the widths that the API offers. */
const WIDTH = 512;

/** Draws a picture at the cursor. It does nothing for files that are none. */
export async function drawPicture(terminal: Terminal, graphics: Graphics, output: Output): Promise<void> {
  if (output.kind !== 'image') return;
  const whole = output.width !== undefined && output.width <= WIDTH;
  const content = await output.download({ format: 'png', ...(whole ? {} : { width: WIDTH }) });
  const png = new Uint8Array(await content.arrayBuffer());
  const sequence = graphics === 'kitty' ? kittyPicture(png) : (await import('ansi-escapes')).image(png);
  terminal.write(`${sequence}\n`);
}
