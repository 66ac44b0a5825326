import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect } from 'vitest';
import { isObject, type Json, type JsonObject } from '../src/python.js';
import type { Simulator } from '../src/simulator.js';
import { ask, askJson } from './client.js';
import { normalised } from './compare.js';
import { plainPicture, putPicture } from './graphs.js';
import { asObject, type Exchange } from './recording.js';
import { type Replay, replaySuite } from './replay.js';

export type Part =
  | { readonly name: string; readonly value: string }
  | { readonly name: string; readonly filename: string; readonly type: string; readonly bytes: Buffer };

/** Writes a multipart body by hand, because HTTP clients refuse empty names and paths in names. */
export function formOf(parts: readonly Part[]): { readonly body: Buffer; readonly type: string } {
  const boundary = '6e2985051d72b46f1bb7df30a26fca86';
  const chunks = parts.flatMap((part) => {
    const isFile = 'filename' in part;
    const name = `form-data; name="${part.name}"${isFile ? `; filename="${part.filename}"` : ''}`;
    const type = isFile ? `Content-Type: ${part.type}\r\n` : '';
    const head = Buffer.from(`--${boundary}\r\nContent-Disposition: ${name}\r\n${type}\r\n`);
    return [head, isFile ? part.bytes : Buffer.from(part.value), Buffer.from('\r\n')];
  });
  return {
    body: Buffer.concat([...chunks, Buffer.from(`--${boundary}--\r\n`)]),
    type: `multipart/form-data; boundary=${boundary}`,
  };
}

const headersOf304 = 'aiohttp repeats Content-Type in a 304, Express leaves it out; files.test.ts checks the rest';
const MIB = 1024 * 1024;
const html = '<b>not shown</b>\n ';
const svg = '<svg xmlns="http://www.w3.org/2000/svg"/>';

/** The recording has only the sizes of the parts. Its names say which parts had equal bytes. */
const COLOURS: Record<string, string> = {
  'same name, other bytes, no overwrite': '#c81e1f',
  'same name, third bytes': '#c81e20',
  'same name, bytes equal to the renamed copy': '#c81e1f',
  'overwrite=true': '#c81e21',
  'overwrite=1': '#c81e22',
  'type=input': '#c81e22',
  'overwrite=True (capital letter)': '#c81e23',
};

function contentOf(exchange: Exchange, part: JsonObject): Promise<Buffer> | Buffer {
  if (exchange.name.startsWith('jpeg with EXIF')) return exifPicture();
  if (part.content_type === 'image/png' && (part.bytes === 155 || part.bytes === 153)) {
    return plainPicture(COLOURS[exchange.name] ?? '#c81e1e');
  }
  return part.bytes === 210 ? plainPicture('#ff000080') : Buffer.alloc(Number(part.bytes ?? 0), 'x');
}

function exifPicture(): Promise<Buffer> {
  const wide = sharp({ create: { width: 64, height: 32, channels: 3, background: '#1e1ec8' } });
  return wide.withMetadata({ orientation: 6 }).jpeg().toBuffer();
}

async function sendForm(replay: Replay, exchange: Exchange): Promise<void> {
  const parts: Part[] = [];
  for (const part of asObject(exchange.request?.body).multipart as JsonObject[]) {
    const name = String(part.name);
    if (typeof part.value === 'string') parts.push({ name, value: part.value });
    else {
      const bytes = await contentOf(exchange, part);
      parts.push({ name, filename: String(part.filename), type: String(part.content_type), bytes });
    }
  }
  const { body, type } = formOf(parts);
  await replay.check(exchange, body, { 'Content-Type': type });
}

replaySuite('0.3.64', 'upload', {
  setup: async (_replay, simulator) => {
    for (const name of ['corrupt.png', 'example.png', 'red.png', 'text.png'])
      await putPicture(simulator, `input/${name}`);
  },
  send: (replay, exchange, simulator) => {
    if (exchange.name === 'body of 101 MiB') return tooLarge(simulator);
    return isObject(exchange.request?.body) && exchange.request.body.multipart !== undefined
      ? sendForm(replay, exchange)
      : undefined;
  },
  before: { 'upload/mask': (_replay, simulator) => putPicture(simulator, 'input/maskbase.png') },
  observe: async (replay, exchange, simulator) => {
    if (exchange.name === 'files in the input folder afterwards') {
      const files = readdirSync(join(simulator.dir, 'input'), { recursive: true, withFileTypes: true });
      const names = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
      const relative = names.map((name) => name.slice(join(simulator.dir, 'input').length + 1));
      expect(relative.sort()).toEqual((exchange as unknown as { files: string[] }).files.sort());
    }
    if (exchange.name.startsWith('names offered by LoadImage')) {
      const { LoadImage } = await askJson(simulator.url, 'GET', '/object_info/LoadImage');
      const { required } = (LoadImage as JsonObject).input as JsonObject;
      expect(((required as JsonObject).image as Json[])[0]).toEqual((exchange as unknown as { list: string[] }).list);
    }
    if (Array.isArray(exchange.output_size)) {
      const file = JSON.stringify(exchange.response?.body).match(/roundtrip_\d+_\.png/)?.[0] ?? '';
      const { width, height } = await sharp(join(simulator.dir, 'output', replay.names.actual(file))).metadata();
      expect([width, height]).toEqual(exchange.output_size);
    }
  },
});

async function tooLarge(simulator: Simulator): Promise<void> {
  const { body, type } = formOf([
    { name: 'image', filename: 'big.png', type: 'image/png', bytes: Buffer.alloc(101 * MIB) },
  ]);
  const { status } = await ask(simulator.url, 'POST', '/upload/image', body, { 'Content-Type': type });
  expect(status).toBe(413);
}

async function viewFiles(simulator: Simulator): Promise<void> {
  for (const prefix of ['view', 'view/sub/x']) {
    const graph = {
      '1': { class_type: 'EmptyImage', inputs: { width: 64, height: 64, batch_size: 1, color: 255 } },
      '2': { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: prefix } },
    };
    await askJson(simulator.url, 'POST', '/prompt', { prompt: graph });
  }
  await putPicture(simulator, 'input/up.png');
  await putPicture(simulator, 'temp/ComfyUI_temp_axpob_00001_.png');
  const clear = { width: 8, height: 8, channels: 4 as const, background: '#ff000080' };
  writeFileSync(join(simulator.dir, 'input', 'rgba.png'), await sharp({ create: clear }).png().toBuffer());
  writeFileSync(join(simulator.dir, 'input', 'notes.png'), 'this is not a picture\n');
  writeFileSync(join(simulator.dir, 'input', 'notes.txt'), 'hello\n');
  writeFileSync(join(simulator.dir, 'input', 'page.html'), html);
  writeFileSync(join(simulator.dir, 'input', 'pic.svg'), svg);
}

for (const [version, file] of [
  ['0.3.64', 'view'],
  ['0.33.0', 'view-changed'],
] as const) {
  replaySuite(version, file, {
    setup: async (replay, simulator) => {
      await viewFiles(simulator);
      await replay.untilIdle();
    },
    notReproduced: file === 'view' ? { 'If-None-Match': headersOf304, 'If-Modified-Since': headersOf304 } : {},
  });
}

for (const [version, file] of [
  ['0.3.64', 'output-files'],
  ['0.33.0', 'output-files-changed'],
] as const) {
  replaySuite(version, file, {
    notReproduced:
      version === '0.3.64'
        ? { '%year% %month% %day% %hour% %minute% %second%: outcome': 'the recorded time has passed' }
        : {},
    before: {
      'after num_00001_.png was deleted (highest number + 1)': (_replay, { dir }) =>
        rmSync(join(dir, 'output', 'num_00001_.png')),
      'after num_00003_.png (the highest) was deleted: its number is used again': (_replay, { dir }) =>
        rmSync(join(dir, 'output', 'num_00003_.png')),
      'after a foreign file num_00100_.png appeared': (_replay, { dir }) =>
        writeFileSync(join(dir, 'output', 'num_00100_.png'), ''),
      'after a foreign file num_0200_x.png appeared': (_replay, { dir }) =>
        writeFileSync(join(dir, 'output', 'num_0200_x.png'), ''),
    },
    observe: async (replay, exchange, simulator) => {
      if (!exchange.name.endsWith(': outcome')) return;
      await replay.untilIdle();
      const entry = Object.values(await askJson(simulator.url, 'GET', '/history?max_items=1'))[0] as JsonObject;
      const { status_str: status, messages } = entry.status as JsonObject;
      const seen = (messages as [string, Json][]).filter(([event]) => event !== 'execution_cached');
      expect(
        normalised({ outputs: entry.outputs ?? null, status: status ?? null, messages: seen }, replay.names.recorded),
      ).toEqual(
        normalised({
          outputs: exchange.outputs ?? null,
          status: exchange.status ?? null,
          messages: exchange.messages ?? null,
        }),
      );
    },
  });
}
