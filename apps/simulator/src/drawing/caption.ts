import { createRequire } from 'node:module';
import sharp, { type OverlayOptions } from 'sharp';
import type { Painting } from '../nodes/values.js';

const SMALLEST_WITH_DETAILS = 200;
/** Pixels of text width below which no word could be read. */
const NARROWEST = 24;

/** The prompt, and below it seed and steps, on a dark panel at the foot of the picture. Nothing for an empty prompt. */
export async function caption(painting: Painting, width: number, height: number): Promise<OverlayOptions[]> {
  const details = width >= SMALLEST_WITH_DETAILS && height >= SMALLEST_WITH_DETAILS;
  const size = Math.max(7, Math.min(60, Math.round(Math.min(width, height * 1.6) / 38)));
  const margin = Math.max(2, Math.round(size * 0.7));
  const inner = width - 4 * margin;
  const room = Math.floor(height * 0.38) - 2 * margin;
  if (inner < NARROWEST) return [];
  const lines = Math.max(1, Math.floor(room / (size * 1.35)) - (details ? 1 : 0));
  const prompt = shortened(painting.positive.replace(/\s+/g, ' ').trim(), Math.floor((lines * inner) / (size * 0.6)));
  const facts = details ? `seed ${painting.seed} · ${painting.steps} steps · cfg ${painting.cfg}` : '';
  if (prompt === '' && facts === '') return [];
  const markup = [
    prompt === '' ? '' : `<span foreground="white">${escaped(prompt)}</span>`,
    facts === '' ? '' : `<span foreground="#c9d2dc" size="72%">${facts}</span>`,
  ];
  const text = await write(markup.filter((line) => line !== '').join('\n'), size, inner);
  const shownHeight = Math.min(text.height, Math.max(room, size));
  const [panelWidth, panelHeight] = [width - 2 * margin, Math.min(height, shownHeight + 2 * margin)];
  const panel = `<svg xmlns="http://www.w3.org/2000/svg" width="${panelWidth}" height="${panelHeight}"><rect width="100%" height="100%" rx="${margin}" fill="#0b0e13" fill-opacity="0.94"/></svg>`;
  const top = Math.max(0, height - margin - panelHeight);
  const shown = text.height > shownHeight ? await cropped(text, shownHeight) : text;
  return [
    { input: Buffer.from(panel), left: margin, top },
    {
      input: shown.pixels,
      raw: { width: shown.width, height: shown.height, channels: 4 },
      left: 2 * margin,
      top: top + margin,
    },
  ];
}

interface Written {
  readonly pixels: Buffer;
  readonly width: number;
  readonly height: number;
}

async function write(markup: string, size: number, width: number): Promise<Written> {
  // A fresh machine may have no fonts at all, and then Pango draws nothing: the font comes along.
  const fontfile = createRequire(import.meta.url).resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf');
  const text = { text: markup, font: `DejaVu Sans ${size}`, fontfile, width, rgba: true, wrap: 'word-char' as const };
  const { data, info } = await sharp({ text }).raw().toBuffer({ resolveWithObject: true });
  return { pixels: data, width: info.width, height: info.height };
}

async function cropped(text: Written, height: number): Promise<Written> {
  const raw = { width: text.width, height: text.height, channels: 4 as const };
  const pixels = await sharp(text.pixels, { raw })
    .extract({ left: 0, top: 0, width: text.width, height })
    .raw()
    .toBuffer();
  return { pixels, width: text.width, height };
}

/** Cut at a number of Latin letters' widths; letters of East Asia count twice. */
function shortened(text: string, room: number): string {
  let used = 0;
  let kept = '';
  for (const letter of text) {
    used += /[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]/.test(letter) ? 2 : 1;
    if (used > room) return `${kept.trimEnd()}…`;
    kept += letter;
  }
  return text;
}

/** As Pango markup; control characters, which it refuses, become blanks. */
function escaped(text: string): string {
  return text
    .replace(/\p{Cc}/gu, ' ')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;');
}
