import { signDownload } from '@comfy-fleet/frames';
import type { Reading, SafeHttp } from '@comfy-fleet/safe-http';
import type { Credentials } from './credentials.js';
import { faultOfStatus, hostOf, ModelFault } from './faults.js';

/** Where a file can be downloaded. */
export interface Location {
  readonly url: string;
  readonly http: SafeHttp;
  readonly credentials: Credentials;
  /** What the source says of the file; the answer to a request for it may say more. */
  readonly sha256: string | null;
  hashIn(answer: Pick<Reading, 'firstHeader'>): string | null;
}

/** The services behind `hf:` and `civitai:`. */
export interface ModelHosts {
  readonly huggingFace: string;
  readonly civitai: string;
}

export const MODEL_HOSTS: ModelHosts = { huggingFace: 'https://huggingface.co', civitai: 'https://civitai.com' };

export interface LocateOptions {
  readonly http: SafeHttp;
  readonly credentials: Credentials;
  readonly hosts: ModelHosts;
  readonly idleMs: number;
  /** Of several files, the one with this hash is meant. */
  readonly sha256: string | null;
  readonly signal: AbortSignal;
}

const SHA256 = /^[0-9a-f]{64}$/;

/** Finds out where a source can be downloaded. Throws a ModelFault, or what safe-http throws. */
export async function locate(source: string, options: LocateOptions): Promise<Location> {
  const [scheme, rest = ''] = splitOnce(source, ':');
  const at = (url: string, more: Partial<Location> = {}): Location => ({
    ...options,
    url,
    sha256: null,
    hashIn: () => null,
    ...more,
  });
  switch (scheme) {
    case 'hf':
      return at(huggingFaceUrl(rest, options.hosts), {
        // The first answer redirects to a store, and its header has the hash of the file.
        hashIn: ({ firstHeader }) => hashOf(firstHeader('x-linked-etag')?.value.replaceAll('"', '')),
      });
    case 'civitai': {
      const { url, sha256 } = await civitaiFile(rest, options);
      return at(url, { sha256 });
    }
    case 's3': {
      const [bucket, key = ''] = splitOnce(rest.slice(2), '/');
      const settings = options.credentials.bucketOf(source);
      if (settings === undefined) {
        throw new ModelFault('no_credentials', `MODEL_CREDENTIALS_FILE has no entry with s3 for the bucket ${bucket}.`);
      }
      const url = await signDownload(settings, { bucket, key }).catch((cause: unknown) => {
        throw new ModelFault('no_credentials', `A request to the bucket ${bucket} cannot be signed.`, { cause });
      });
      return at(url);
    }
    default:
      return at(source.split('#')[0] as string);
  }
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** `owner/repo/path@revision`; the revision may have slashes. */
function huggingFaceUrl(text: string, { huggingFace }: ModelHosts): string {
  const [place, revision = 'main'] = splitOnce(text, '@');
  const [owner = '', repo = '', ...path] = place.split('/').map(encodeURIComponent);
  return `${huggingFace}/${owner}/${repo}/resolve/${encodeURIComponent(revision)}/${path.join('/')}`;
}

interface CivitaiFile {
  readonly type?: unknown;
  readonly primary?: unknown;
  readonly downloadUrl?: unknown;
  readonly hashes?: { readonly SHA256?: unknown };
}

/** Longest answer of Civitai that is read; those of versions with many pictures have some 100 KB. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

async function civitaiFile(version: string, { http, credentials, hosts, idleMs, sha256, signal }: LocateOptions) {
  const url = `${hosts.civitai}/api/v1/model-versions/${version}`;
  const options = { prepare: (to: URL) => credentials.prepare(to), idleMs, signal };
  const text = await http.read(url, options, async (answer) => {
    if (answer.status !== 200) throw faultOfStatus(answer, credentials.has(answer.url));
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of answer.content) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) break;
    }
    return Buffer.concat(chunks).toString();
  });
  const files = filesIn(text);
  const file =
    files.find(({ hashes }) => sha256 !== null && hashOf(hashes?.SHA256) === sha256) ??
    files.find(({ primary }) => primary === true) ??
    files.find(({ type }) => type === 'Model');
  if (file === undefined || typeof file.downloadUrl !== 'string' || !URL.canParse(file.downloadUrl)) {
    throw new ModelFault('not_a_model', `${hostOf(url)} lists no model file for the version ${version}.`);
  }
  return { url: file.downloadUrl, sha256: hashOf(file.hashes?.SHA256) };
}

function filesIn(text: string): readonly CivitaiFile[] {
  try {
    const { files } = JSON.parse(text) as { files?: unknown };
    return Array.isArray(files) ? files : [];
  } catch {
    return [];
  }
}

function hashOf(text: unknown): string | null {
  const hash = typeof text === 'string' ? text.toLowerCase() : '';
  return SHA256.test(hash) ? hash : null;
}
