import type { JobPreview, Output } from '@comfy-fleet/client';
import { callerSettings, type Environment } from '@comfy-fleet/config';
import { createSupportsTerminalGraphics } from 'supports-terminal-graphics';
import type { Terminal } from '../command.js';

/** The ways in which terminals take pictures, the better ones first. */
export const GRAPHICS = ['kitty', 'iterm2'] as const;
export type Graphics = (typeof GRAPHICS)[number];

/** The way of this terminal; undefined: it takes none, or tmux or screen stands between, which would not pass it on. */
export function graphicsOf(env?: Environment): Graphics | undefined {
  if (callerSettings(env).isMultiplexed) return undefined;
  const can = createSupportsTerminalGraphics({ isTTY: true });
  return GRAPHICS.find((way) => can[way]);
}

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

/** The longest payload that the protocol allows in one escape sequence. */
const CHUNK = 4096;
/** The number of previews: a new picture of the same number takes the place of the one before. */
const KITTY_PREVIEW = 1_907;

/** A PNG in kitty's graphics protocol: sent in the sequence itself, and shown at the cursor. `keys` are more of its keys. */
export function kittyPicture(png: Uint8Array, keys = ''): string {
  const chunks =
    Buffer.from(png)
      .toString('base64')
      .match(new RegExp(`.{1,${CHUNK}}`, 'g')) ?? [];
  const last = chunks.length - 1;
  const control = (at: number) => `${at === 0 ? `a=T,f=100,${keys}` : ''}m=${at === last ? 0 : 1}`;
  return chunks.map((chunk, at) => `\u001b_G${control(at)};${chunk}\u001b\\`).join('');
}

/** What takes the picture with this number off the screen, and out of the terminal's memory. */
function withoutKittyPicture(id: number): string {
  return `\u001b_Ga=d,d=I,i=${id},q=2\u001b\\`;
}

/** The place of a picture, in characters. */
export interface Frame {
  readonly columns: number;
  readonly rows: number;
}

/** Four bytes for each pixel: RGBA. */
interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Of a character, in pixels: no terminal says so without being asked, and smaller ones are rare. */
const CELL = { width: 7, height: 14 };

/** A preview (the API sends JPEGs) as the sequence that draws it at the cursor, which stays where it is or is to be put back. */
export async function previewSequence(graphics: Graphics, jpeg: Uint8Array, frame: Frame): Promise<string> {
  if (graphics === 'kitty') return kittyOf(jpeg, frame);
  const { image } = await import('ansi-escapes');
  return image(jpeg, { height: frame.rows, width: frame.columns, preserveAspectRatio: true });
}

/** Kitty takes no JPEG. */
async function kittyOf(jpeg: Uint8Array, { columns, rows }: Frame): Promise<string> {
  const [{ decode }, { encode }] = await Promise.all([import('jpeg-js'), import('fast-png')]);
  const pixels = decode(jpeg, { useTArray: true });
  const small = shrink(pixels, { width: columns * CELL.width, height: rows * CELL.height });
  const isWide = (small.width / CELL.width) * rows > (small.height / CELL.height) * columns;
  const size = isWide ? `c=${columns}` : `r=${rows}`; // the other follows from the picture
  return kittyPicture(encode({ ...small, channels: 4 }), `i=${KITTY_PREVIEW},p=1,${size},C=1,q=2,`);
}

/** At most that large, by leaving out pixels. */
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
/** Of the terminal: the bar, the line of the cursor below it, and what was typed. */
const OTHER_ROWS = 4;

/** The picture as it comes to be, drawn on lines that are left free above the bar. */
export interface LivePicture {
  /** How many lines are to be left free: none before the first preview. */
  readonly rows: number;
  /** Draws it in the place of the one before; the cursor is on the line below the bar, and stays there. */
  draw(preview: JobPreview, leaveFree: () => void): Promise<void>;
  /** Takes it off the screen; none is drawn any more. */
  close(): void;
}

/** For a terminal that takes pictures in this way. One that is too low gets none. */
export function createLivePicture(terminal: Terminal, graphics: Graphics | undefined): LivePicture {
  const frame = {
    columns: Math.min(MOST.columns, (terminal.columns ?? 80) - 1),
    rows: Math.min(MOST.rows, (terminal.rows ?? 24) - OTHER_ROWS),
  };
  let way = frame.rows < LEAST_ROWS ? undefined : graphics;
  let rows = 0;
  let isBusy = false;
  return {
    get rows() {
      return rows;
    },
    draw: async ({ data }, leaveFree) => {
      if (way === undefined || isBusy) return; // the next one comes in a second
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
