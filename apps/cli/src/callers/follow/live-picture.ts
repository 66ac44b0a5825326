import type { JobPreview } from '@comfy-fleet/client';
import type { Terminal } from '../../command.js';
import type { Graphics } from '../pictures/graphics.js';
import { KITTY_PREVIEW, withoutKittyPicture } from '../pictures/kitty.js';
import type { Frame } from '../pictures/preview.js';

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
      const { previewSequence } = await import('../pictures/preview.js');
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
