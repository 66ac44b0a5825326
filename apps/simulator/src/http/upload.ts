import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { extname, join, normalize, resolve } from 'node:path';
import sharp from 'sharp';
import type { Engine } from '../engine.js';
import { folderOf, isInside, splitTypeMark } from '../folders.js';
import { isObject, UncaughtError } from '../python.js';
import { empty, json, type Reply, type Route, type RouteRequest, tryJson } from './route.js';

/** Turns the uploaded bytes into those to write. It may return nothing, or a status to answer instead. */
type Transform = (bytes: Buffer) => Promise<Buffer | undefined | 400 | 403>;

async function uploadImage(request: RouteRequest, engine: Engine): Promise<Reply> {
  return store(await readForm(request), engine, (bytes) => Promise.resolve(bytes));
}

/** Writes the picture of original_ref with the mask's alpha channel; nothing if that picture does not exist. */
async function uploadMask(request: RouteRequest, engine: Engine): Promise<Reply> {
  const form = await readForm(request);
  return store(form, engine, async (mask) => {
    const reference = form?.get('original_ref');
    const original = typeof reference === 'string' ? tryJson(Buffer.from(reference)) : undefined;
    if (!isObject(original) || typeof original.filename !== 'string') throw new UncaughtError('no original_ref');
    const { name, type } = splitTypeMark(original.filename);
    const folder = folderOf(engine.folders, type ?? (typeof original.type === 'string' ? original.type : 'output'));
    const subfolder = typeof original.subfolder === 'string' ? original.subfolder : '';
    if (name === '' || name.startsWith('/') || name.includes('..') || folder === undefined) return 400;
    const path = resolve(folder, subfolder, name);
    if (!isInside(folder, path)) return 403;
    const base = await readFile(path).catch(() => undefined);
    return base === undefined ? undefined : withAlphaOf(base, mask);
  });
}

async function withAlphaOf(picture: Buffer, mask: Buffer): Promise<Buffer> {
  const alpha = await sharp(mask).ensureAlpha().extractChannel(3).raw().toBuffer({ resolveWithObject: true });
  const { width, height } = alpha.info;
  const base = await sharp(picture).resize(width, height, { fit: 'fill' }).removeAlpha().raw().toBuffer();
  return sharp(base, { raw: { width, height, channels: 3 } })
    .joinChannel(alpha.data, { raw: { width, height, channels: 1 } })
    .png({ compressionLevel: 4 })
    .toBuffer();
}

async function store(form: FormData | undefined, engine: Engine, transform: Transform): Promise<Reply> {
  const image = form?.get('image') ?? null;
  const type = form?.get('type') ?? 'input';
  const folder = typeof type === 'string' ? folderOf(engine.folders, type) : undefined;
  if (folder === undefined) throw new UncaughtError('unknown type');
  if (image === null || form === undefined) return empty(400);
  if (typeof image === 'string' || image.name === '') throw new UncaughtError('image is not a file');
  const name = image.name.replace(/^\/+/, '');
  const subfolder = String(form.get('subfolder') ?? '');
  const target = resolve(join(folder, normalize(subfolder)));
  if (subfolder.startsWith('/') || !isInside(folder, resolve(target, name))) return empty(400);
  const overwrite = ['true', '1'].includes(String(form.get('overwrite')));
  const bytes = Buffer.from(await image.arrayBuffer());
  try {
    await mkdir(target, { recursive: true });
    const place = overwrite ? { name, isDuplicate: false } : await freePlace(target, name, bytes);
    if (!place.isDuplicate) {
      const made = await transform(bytes);
      if (typeof made === 'number') return empty(made);
      if (made !== undefined) await writeFile(join(target, place.name), made);
    }
    return json({ name: place.name, subfolder, type: String(type) });
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw new UncaughtError(error.message);
    throw error;
  }
}

/** The first of `name.png`, `name (1).png`, … that does not exist or has the same bytes. */
async function freePlace(folder: string, name: string, bytes: Buffer): Promise<{ name: string; isDuplicate: boolean }> {
  const extension = extname(name);
  const stem = name.slice(0, name.length - extension.length);
  for (let at = 0, free = name; ; free = `${stem} (${++at})${extension}`) {
    const path = join(folder, free);
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (!isThere) return { name: free, isDuplicate: false };
    if ((await readFile(path)).equals(bytes)) return { name: free, isDuplicate: true };
  }
}

/** The multipart form; undefined for any other body. */
async function readForm({ headers, body }: RouteRequest): Promise<FormData | undefined> {
  const type = headers['content-type'] ?? '';
  if (!type.startsWith('multipart/form-data') || body.length === 0) return undefined;
  try {
    return await new Response(body, { headers: { 'content-type': type } }).formData();
  } catch (error) {
    throw new UncaughtError(`invalid form: ${error instanceof Error ? error.message : ''}`);
  }
}

export const uploadRoutes: readonly Route[] = [
  { method: 'POST', path: '/upload/image', handle: uploadImage },
  { method: 'POST', path: '/upload/mask', handle: uploadMask },
];
