import { createRequire } from 'node:module';
import sharp from 'sharp';
import type { Painting } from '../nodes/values.js';

/** Text narrower than this, in pixels, cannot be read. */
const NARROWEST = 24;
const PANEL = { r: 11, g: 14, b: 19, alpha: 0.94 };

/** Adds the prompt, and below it seed and steps, on a dark panel at the foot of the picture. */
export async function withCaption(pixels: Buffer, painting: Painting, width: number, height: number): Promise<Buffer> {
  const size = Math.max(7, Math.min(60, Math.round(Math.min(width, height * 1.6) / 38)));
  const margin = Math.max(2, Math.round(size * 0.7));
  const inner = width - 4 * margin;
  if (inner < NARROWEST) return pixels;
  const highest = Math.max(size, Math.floor(height * 0.38) - 2 * margin);
  const mostLetters = Math.floor((highest * inner) / (size * size * 0.8));
  const { data, info } = await render(markupOf(painting, mostLetters), size, inner);
  const textHeight = Math.min(info.height, highest);
  const panelHeight = Math.min(height, textHeight + 2 * margin);
  const top = Math.max(0, height - margin - panelHeight);
  const panel = { width: width - 2 * margin, height: panelHeight, channels: 4 as const, background: PANEL };
  const text = { width: info.width, height: textHeight, channels: 4 as const };
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .composite([
      { input: { create: panel }, left: margin, top },
      // Rows of text that do not fit are cut off.
      {
        input: data.subarray(0, text.width * textHeight * 4),
        raw: text,
        left: 2 * margin,
        top: Math.min(top + margin, height - textHeight),
      },
    ])
    .removeAlpha()
    .raw()
    .toBuffer();
}

function render(markup: string, size: number, width: number) {
  // Without any installed font Pango draws nothing, so the font is a dependency.
  const fontfile = createRequire(import.meta.url).resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf');
  const text = { text: markup, font: `DejaVu Sans ${size}`, fontfile, width, rgba: true, wrap: 'word-char' as const };
  return sharp({ text }).raw().toBuffer({ resolveWithObject: true });
}

/** Markup for Pango, which refuses control characters. */
function markupOf({ positive, seed, steps, cfg }: Painting, mostLetters: number): string {
  const prompt = positive.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  const shown = prompt.length > mostLetters ? `${prompt.slice(0, mostLetters)}…` : prompt;
  const escaped = shown.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
  const facts = `<span foreground="#c9d2dc" size="72%">seed ${seed} · ${steps} steps · cfg ${cfg}</span>`;
  return shown === '' ? facts : `<span foreground="white">${escaped}</span>\n${facts}`;
}
