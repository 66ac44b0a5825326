import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import sharp, { type Sharp } from 'sharp';
import type { Engine } from '../engine.js';
import { folderOf, isInside, splitTypeMark } from '../folders.js';
import { UncaughtError } from '../python.js';
import { empty, type Reply, type Route, type RouteRequest } from './route.js';

/** Content types that Python 3.13 guesses. It does not know FLAC, Matroska and GLB. */
const TYPES: Record<string, string> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.webp': 'image/webp',
  '.gif': 'image/gif',
  '.bmp': 'image/bmp',
  '.svg': 'image/svg+xml',
  '.mp4': 'video/mp4',
  '.webm': 'video/webm',
  '.mp3': 'audio/mpeg',
  '.opus': 'audio/opus',
  '.md': 'text/markdown',
  '.csv': 'text/csv',
  '.txt': 'text/plain',
  '.json': 'application/json',
};
/** Files with scripts: sent as application/octet-stream, and by 0.33 also as an attachment. */
const DANGEROUS = { '0.3.64': ['.html', '.htm', '.js', '.css'], '0.33.0': ['.html', '.htm', '.js', '.css', '.svg'] };

/** Reading a file up to this size synchronously is faster than waking a thread. */
const SMALL_BYTES = 1024 * 1024;
const CONDITIONS = ['range', 'if-range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'];

async function view({ query, headers }: RouteRequest, engine: Engine): Promise<Reply> {
  const slow = engine.faults.take('slow_view');
  if (slow?.ms !== undefined) await delay(slow.ms);
  const asked = query.get('filename');
  if (asked === null) return empty(404);
  if (engine.settings.version === '0.33.0' && asked.startsWith('blake3:')) return empty(404);
  const { name, type } = splitTypeMark(asked);
  if (name === '' || name.startsWith('/') || name.includes('..')) return empty(400);
  const base = folderOf(engine.folders, type ?? query.get('type') ?? 'output');
  if (base === undefined) return empty(400);
  const folder = resolve(base, query.get('subfolder') ?? '');
  if (!isInside(base, folder)) return empty(403);
  const file = resolve(folder, basename(name));
  const found = await stat(file, { bigint: true }).catch(() => undefined);
  if (found === undefined || !found.isFile()) return empty(404);
  if (query.has('preview')) return encoded(file, (image) => asPreview(image, query));
  const channel = query.get('channel');
  if (channel === 'rgb') return encoded(file, (image) => ({ type: 'image/png', image: image.removeAlpha().png() }));
  if (channel === 'a') return encoded(file, (image) => ({ type: 'image/png', image: alphaOnly(image).png() }));
  const etag = `"${found.mtimeNs.toString(16)}-${found.size.toString(16)}"`;
  if (isUnsupportedRange(headers)) return { status: 416, headers: { 'Content-Range': `bytes */${found.size}` } };
  const sent = fileHeaders(file, etag, engine);
  const isWhole = CONDITIONS.every((name) => headers[name] === undefined);
  if (isWhole && slow === undefined && found.size <= SMALL_BYTES) {
    const about = { 'Accept-Ranges': 'bytes', 'Last-Modified': found.mtime.toUTCString() };
    return { status: 200, headers: { ...sent, ...about }, body: { bytes: readFileSync(file) } };
  }
  return { status: 200, headers: sent, body: { file, bytesPerSecond: slow?.bytesPerSecond } };
}

/** aiohttp supports a single range of bytes. It refuses other ranges instead of sending the whole file. */
function isUnsupportedRange({ range, 'if-range': ifRange }: RouteRequest['headers']): boolean {
  return range !== undefined && ifRange === undefined && !/^bytes=(\d+-\d*|-\d+)$/.test(range);
}

function fileHeaders(file: string, etag: string, { settings }: Engine): Record<string, string> {
  const extension = extname(file).toLowerCase();
  const isNew = settings.version === '0.33.0';
  const isDangerous = DANGEROUS[settings.version].includes(extension);
  return {
    'Content-Disposition': `${isNew && isDangerous ? 'attachment; ' : ''}${disposition(file)}`,
    'Content-Type': isDangerous ? 'application/octet-stream' : (TYPES[extension] ?? 'application/octet-stream'),
    ETag: etag,
    ...(isNew ? { 'X-Content-Type-Options': 'nosniff' } : {}),
    ...(isNew && isDangerous ? { 'Cache-Control': 'no-store', Vary: 'Sec-Fetch-Dest' } : {}),
  };
}

/** Header values are Latin-1; aiohttp writes UTF-8 bytes into them. */
function disposition(file: string): string {
  return `filename="${Buffer.from(basename(file), 'utf8').toString('latin1')}"`;
}

interface Encoding {
  readonly type: string;
  readonly image: Sharp;
}

async function encoded(file: string, encode: (image: Sharp) => Encoding): Promise<Reply> {
  try {
    const { type, image } = encode(sharp(file));
    const bytes = await image.toBuffer();
    return {
      status: 200,
      headers: { 'Content-Disposition': disposition(file), 'Content-Type': type },
      body: { bytes },
    };
  } catch (error) {
    throw new UncaughtError(`invalid picture: ${error instanceof Error ? error.message : ''}`);
  }
}

function asPreview(image: Sharp, query: URLSearchParams): Encoding {
  const parts = (query.get('preview') ?? '').split(';');
  const channel = query.get('channel') ?? '';
  const last = parts.at(-1) ?? '';
  const options = { quality: /^\d+$/.test(last) ? Math.max(1, Math.min(100, Number(last))) : 90 };
  if (parts[0] === 'jpeg' && !channel.includes('a'))
    return { type: 'image/jpeg', image: image.removeAlpha().jpeg(options) };
  return { type: 'image/webp', image: (channel === 'rgb' ? image.removeAlpha() : image).webp(options) };
}

/** The alpha channel alone, on black. */
function alphaOnly(image: Sharp): Sharp {
  return image.ensureAlpha().linear([0, 0, 0, 1], [0, 0, 0, 0]);
}

export const viewRoutes: readonly Route[] = [{ method: 'GET', path: '/view', handle: view }];
