import { createHash } from 'node:crypto';
import sharp from 'sharp';
import type { Download } from './evidence.js';

const DOWNLOAD_MS = 10_000;

/** Fetches one file of a job and looks at all of it. Never rejects. */
export async function download(apiUrl: string, jobId: string, url: string): Promise<Download> {
  const nothing = { status: undefined, etag: undefined, contentType: undefined, size: undefined };
  const absent = { jobId, url, ...nothing, sha256: '', bytes: 0 };
  try {
    const answer = await fetch(`${apiUrl}${url}`, { signal: AbortSignal.timeout(DOWNLOAD_MS) });
    const bytes = Buffer.from(await answer.arrayBuffer());
    return {
      ...absent,
      status: answer.status,
      etag: answer.headers.get('etag') ?? undefined,
      contentType: answer.headers.get('content-type') ?? undefined,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      bytes: bytes.length,
      size: await sizeOf(bytes),
    };
  } catch {
    return absent;
  }
}

/** Decodes the whole picture, so that a cut or damaged one is found out. */
async function sizeOf(bytes: Buffer): Promise<Download['size']> {
  try {
    const picture = sharp(bytes, { failOn: 'warning' });
    const { format } = await picture.metadata();
    const { info } = await picture.raw().toBuffer({ resolveWithObject: true });
    return format === 'png' ? { width: info.width, height: info.height } : undefined;
  } catch {
    return undefined;
  }
}
