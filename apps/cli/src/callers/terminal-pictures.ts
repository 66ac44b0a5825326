import type { JobPreview, Output } from '@comfy-fleet/client';
import { callerSettings, type Environment } from '@comfy-fleet/config';
import { createSupportsTerminalGraphics } from 'supports-terminal-graphics';
import type { Terminal } from '../command.js';
import { widthOf } from '../table.js';

/** Graphics protocols of terminals, in order of preference. */
export const GRAPHICS = ['kitty', 'iterm2'] as const;
export type Graphics = (typeof GRAPHICS)[number];

/** The protocol of this terminal; undefined if it has none, or if tmux or screen is in between, which do not pass it on. */
export function graphicsOf(env?: Environment): Graphics | undefined {
  if (callerSettings(env).isMultiplexed) return undefined;
  const can = createSupportsTerminalGraphics({ isTTY: true });
  return GRAPHICS.find((way) => can[way]);
}

/** In pixels. Enough for most windows, small enough for SSH, and one of the widths that the API offers. */
const WIDTH = 512;

/** Draws an output at the cursor, if it is a picture. */
export async function drawPicture(terminal: Terminal, graphics: Graphics, output: Output): Promise<void> {
  if (output.kind !== 'image') return;
  const whole = output.width !== undefined && output.width <= WIDTH;
  const content = await output.download({ format: 'png', ...(whole ? {} : { width: WIDTH }) });
  const png = new Uint8Array(await content.arrayBuffer());
  const sequence = graphics === 'kitty' ? kittyPicture(png) : (await import('ansi-escapes')).image(png);
  terminal.write(`${sequence}\n`);
}

/** The longest payload that kitty's protocol allows in one escape sequence. */
const CHUNK = 4096;
/** The image id of previews: a new image with the same id replaces the one before. */
const KITTY_PREVIEW = 1_907;

/** Shows a PNG at the cursor with kitty's graphics protocol, sending it inline. `keys` are further control keys. */
export function kittyPicture(png: Uint8Array, keys = ''): string {
  const chunks =
    Buffer.from(png)
      .toString('base64')
      .match(new RegExp(`.{1,${CHUNK}}`, 'g')) ?? [];
  const last = chunks.length - 1;
  const control = (at: number) => `${at === 0 ? `a=T,f=100,${keys}` : ''}m=${at === last ? 0 : 1}`;
  return chunks.map((chunk, at) => `\u001b_G${control(at)};${chunk}\u001b\\`).join('');
}

/** Removes the picture with this id from the screen and from the terminal's memory. */
function withoutKittyPicture(id: number): string {
  return `\u001b_Ga=d,d=I,i=${id},q=2\u001b\\`;
}

/** The size of a picture, in characters. */
export interface Frame {
  readonly columns: number;
  readonly rows: number;
}

/** RGBA pixels, four bytes each. */
interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** The assumed size of a character, in pixels; smaller ones are rare. */
const CELL = { width: 7, height: 14 };

/** The escape sequence that draws a preview (a JPEG) at the cursor. The caller must restore the cursor. */
export async function previewSequence(graphics: Graphics, jpeg: Uint8Array, frame: Frame): Promise<string> {
  if (graphics === 'kitty') return kittyOf(jpeg, frame);
  const { image } = await import('ansi-escapes');
  return image(jpeg, { height: frame.rows, width: frame.columns, preserveAspectRatio: true });
}

/** Kitty does not support JPEG, so the preview is sent as PNG. */
async function kittyOf(jpeg: Uint8Array, { columns, rows }: Frame): Promise<string> {
  const [{ decode }, { encode }] = await Promise.all([import('jpeg-js'), import('fast-png')]);
  const pixels = decode(jpeg, { useTArray: true });
  const small = shrink(pixels, { width: columns * CELL.width, height: rows * CELL.height });
  const isWide = (small.width / CELL.width) * rows > (small.height / CELL.height) * columns;
  const size = isWide ? `c=${columns}` : `r=${rows}`; // kitty derives the other dimension from the picture
  return kittyPicture(encode({ ...small, channels: 4 }), `i=${KITTY_PREVIEW},p=1,${size},C=1,q=2,`);
}

/** Shrinks a picture to at most this size by dropping pixels. */
export function shrink(
  { width, height, data }: Pixels,
  most: { readonly width: number; readonly height: number },
): Pixels {
  const by = Math.min(1, most.width / width, most.height / height);
  const size = { width: Math.max(1, Math.floor(width * by)), height: Math.max(1, Math.floor(height * by)) };
  const from = new Uint32Array(data.slice().buffer);
  const to = new Uint32Array(size.width * size.height);
  for (let y = 0; y < size.height; y++) {
    const row = Math.floor((y * height) / size.height) * width;
    for (let x = 0; x < size.width; x++) {
      to[y * size.width + x] = from[row + Math.floor((x * width) / size.width)] ?? 0;
    }
  }
  return { ...size, data: new Uint8Array(to.buffer) };
}

const MOST: Frame = { columns: 60, rows: 14 };
const LEAST_ROWS = 5;
/** Rows for the bar, the cursor's line below it, and the command that was typed. */
const OTHER_ROWS = 4;

/** Draws previews on lines that the caller keeps free above the progress bar. */
export interface LivePicture {
  /** How many lines to keep free: none before the first preview. */
  readonly rows: number;
  /** Replaces the preview. The cursor must be on the line below the bar, and stays there. */
  draw(preview: JobPreview, leaveFree: () => void): Promise<void>;
  /** Removes the preview; no more are drawn. */
  close(): void;
}

/** Draws nothing if the terminal has no graphics or too few rows. */
export function createLivePicture(terminal: Terminal, graphics: Graphics | undefined): LivePicture {
  const frame = {
    columns: Math.min(MOST.columns, widthOf(terminal) - 1),
    rows: Math.min(MOST.rows, (terminal.rows || 24) - OTHER_ROWS),
  };
  let way = frame.rows < LEAST_ROWS ? undefined : graphics;
  let rows = 0;
  let isBusy = false;
  return {
    get rows() {
      return rows;
    },
    draw: async ({ data }, leaveFree) => {
      if (way === undefined || isBusy) return; // skip this preview; the next one follows in a second
      isBusy = true;
      const sequence = await previewSequence(way, Buffer.from(data, 'base64'), frame).catch(() => undefined);
      isBusy = false;
      if (sequence === undefined || way === undefined) return;
      rows = frame.rows;
      leaveFree();
      terminal.write(`\u001b7\u001b[${rows + 1}A\r${sequence}\u001b8`);
    },
    close: () => {
      if (rows > 0 && way === 'kitty') terminal.write(withoutKittyPicture(KITTY_PREVIEW));
      way = undefined;
      rows = 0;
    },
  };
}
