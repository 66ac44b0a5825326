import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { ERROR_CATALOGUE, type JobList } from '@comfy-fleet/contracts';
import { as, type TestApi } from '../api.js';

/** A request that Node's HTTP client can send. */
export interface FuzzRequest {
  readonly method: string;
  /** Includes the query. Has only characters that Node can send. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer | undefined;
}

export interface FuzzAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** Internal words that must not appear in responses. */
export const INTERNALS =
  /redis|bullmq|ioredis|\blua\b|express|ECONN|ENOENT|EACCES|EINVAL|node_modules|busboy|multer|\bajv\b|libvips|\bsharp\b|\/work\/|\/tmp\/|\.[tj]s:\d|\n? +at \S+ \(|TypeError|RangeError|SyntaxError|undefined/i;

export interface FuzzClient {
  send(request: FuzzRequest): Promise<FuzzAnswer>;
  close(): void;
}

export function fuzzClient({ port }: { readonly port: number }, maxSockets = 24): FuzzClient {
  const agent = new Agent({ keepAlive: true, maxSockets });
  return {
    send: async ({ method, path, headers, body }) => {
      // With some methods Node sends a body without declaring it, and the server would read it as the next request.
      const length = body === undefined ? {} : { 'content-length': `${body.length}` };
      const asked = request({ host: '127.0.0.1', port, agent, method, path, headers: { ...headers, ...length } });
      asked.end(body);
      const [answer] = await once(asked, 'response');
      const contentType: string = answer.headers['content-type'] ?? '';
      const status: number = answer.statusCode;
      if (contentType.startsWith('text/event-stream')) {
        asked.destroy(); // it goes on for as long as the job does
        return { status, contentType, text: '' };
      }
      let text = '';
      for await (const chunk of answer) text += chunk;
      return { status, contentType, text };
    },
    close: () => agent.destroy(),
  };
}

/** What is wrong with the response to an arbitrary request; empty: nothing. */
export function faultsOf({ status, contentType, text }: FuzzAnswer, method: string): string[] {
  if (status >= 500) return [`${status}: ${text}`];
  if (status < 400) return [];
  if (!contentType.startsWith('application/problem+json')) return [`${status} is ${contentType}: ${text}`];
  if (method === 'HEAD') return [];
  const { code, status: said } = JSON.parse(text);
  const known = Object.hasOwn(ERROR_CATALOGUE, code) && said === status ? [] : [`not of the catalogue: ${text}`];
  const leak = INTERNALS.exec(text)?.[0];
  return leak === undefined ? known : [...known, `tells "${leak}": ${text}`];
}

/** The ids of all jobs of a key. */
export async function allJobs(api: TestApi, key: string): Promise<Set<string>> {
  const ids = new Set<string>();
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await api.get(`/jobs?limit=100${cursor === '' ? '' : `&cursor=${cursor}`}`, as(key));
    const { data, next_cursor } = (await page.json()) as JobList;
    for (const { id } of data) ids.add(id);
    cursor = next_cursor;
  }
  return ids;
}

/** Every file below the folder of the pictures except the keys file. */
export async function allFiles({ framesDir, keysFile }: TestApi): Promise<string[]> {
  const entries = await readdir(framesDir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return files.filter((file) => file !== keysFile).sort();
}
