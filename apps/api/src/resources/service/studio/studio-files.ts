import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** A file of the studio, as it is until the service is another version. */
export interface StudioFile {
  readonly data: Buffer;
  readonly contentType: string;
  /** Of `data`, in hexadecimal. */
  readonly sha256: string;
  /** `data` for those who take it; undefined: not packed. */
  readonly gzipped?: Buffer;
}

/** By the name in the folder that was built; undefined for any other. */
export type StudioFiles = (name: string) => Promise<StudioFile | undefined>;

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const pack = promisify(gzip);

/** Reads all of them when the first is asked for: there are few, and then no name of a request is ever a path. */
export function createStudioFiles(): StudioFiles {
  let reading: Promise<ReadonlyMap<string, StudioFile>> | undefined;
  return async (name) => {
    reading ??= readAll(builtFolder());
    return (await reading).get(name);
  };
}

export function hashed(data: Buffer, contentType: string): StudioFile {
  return { data, contentType, sha256: createHash('sha256').update(data).digest('hex') };
}

function builtFolder(): string {
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve('@comfy-fleet/studio/package.json')), 'dist');
}

async function readAll(folder: string): Promise<ReadonlyMap<string, StudioFile>> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => TYPES[extname(name)] !== undefined);
  const files = names.map(async (name) => {
    const data = await readFile(join(folder, name));
    const file = { ...hashed(data, TYPES[extname(name)] ?? ''), gzipped: await pack(data, { level: 9 }) };
    return [name, file] as const;
  });
  return new Map(await Promise.all(files));
}
