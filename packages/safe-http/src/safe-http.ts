import { isIP } from 'node:net';
import { fresh, joinSignals, orAborted } from '@comfy-fleet/contracts';
import { createAllowList } from './allow-list.js';
import {
  type Answer,
  type Connections,
  exchange,
  notAllowed,
  pieces,
  type Question,
  readStart,
  readWhole,
  unreachable,
} from './exchange.js';
import { isOpen, isPublicAddress, type Policy, readTarget } from './read-target.js';
import { createResolver, guardedLookup, type Resolver } from './resolver.js';

export interface GetOptions {
  readonly maxBytes: number;
  /** Time for everything, redirects included. */
  readonly timeoutMs: number;
  /** Default 3. */
  readonly maxRedirects?: number;
  /** The Accept header. */
  readonly accept: string;
  readonly signal: AbortSignal;
}

/** A request of `read`, to the URL and to what it redirects to. */
export interface ReadOptions {
  /** What to send to this URL, which may get credentials here. Called for each URL of a chain of redirects. */
  readonly prepare: (url: URL) => { readonly url: URL; readonly headers: Readonly<Record<string, string>> };
  /** Default 5. */
  readonly maxRedirects?: number;
  /** Longest wait for an answer, and for each piece of its content. */
  readonly idleMs: number;
  readonly connections?: Connections;
  readonly signal: AbortSignal;
}

/** An answer to `read`. */
export interface Reading {
  /** Any status, but no redirect. */
  readonly status: number;
  header(name: string): string | undefined;
  /** The URL that answered, as it was before `prepare`. */
  readonly url: string;
  /** A header of the first answer of the chain of redirects that has it, and the URL that gave it. */
  firstHeader(name: string): { readonly value: string; readonly url: string } | undefined;
  readonly content: AsyncIterable<Uint8Array>;
}

export interface PostOptions {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** How much of the answer is read. Default 1024. */
  readonly maxAnswerBytes?: number;
  readonly signal: AbortSignal;
}

export interface Fetched {
  readonly data: Buffer;
  /** The Content-Type header. */
  readonly contentType: string | undefined;
  /** The URL after redirects. */
  readonly url: string;
}

export interface Posted {
  /** Any status: redirects are not followed. */
  readonly status: number;
  /** The Retry-After header. */
  readonly retryAfter: string | undefined;
  /** The first bytes of the body as UTF-8. */
  readonly answer: string;
  /** Whether a public address answered, rather than one that only `allow` permits. */
  readonly isPublic: boolean;
  readonly durationMs: number;
}

/**
 * HTTP to URLs that callers supplied, only to public hosts. Every address is checked when it is dialled, also after
 * redirects. `get` and `post` throw url_not_allowed for a forbidden target, url_unreachable for one that gives no
 * usable answer in time, and the signal's reason when it aborts; details contain no addresses.
 */
export interface SafeHttp {
  /** Why the URL is refused, in a sentence for the caller; undefined if only DNS can tell. */
  refusal(url: string): string | undefined;
  /** Answers the content of a 2xx response, after at most `maxRedirects` redirects. Refuses a compressed one. */
  get(url: string, options: GetOptions): Promise<Fetched>;
  /**
   * Like `get`, but streams the content, for files too large for memory. `use` reads it to its end; its errors are
   * passed on. The timeout covers all of that.
   */
  stream<T>(url: string, options: GetOptions, use: (content: AsyncIterable<Uint8Array>) => Promise<T>): Promise<T>;
  /**
   * For large files: has no deadline and no limit of size, sends credentials, and can keep connections. `use` gets the
   * answer whatever its status; its errors are passed on.
   */
  read<T>(url: string, options: ReadOptions, use: (reading: Reading) => Promise<T>): Promise<T>;
  /** Resolves with any status, once the first `maxAnswerBytes` of the answer are read or the time for them is up. */
  post(url: string, options: PostOptions): Promise<Posted>;
}

export interface SafeHttpOptions {
  /**
   * Allows targets that are not public: hosts, addresses and CIDR blocks, each with or without `:port`. Throws for an
   * invalid entry.
   */
  readonly allow: readonly string[];
  /** Ports of our own services: refused on every address that is not public, whatever `allow` permits. */
  readonly ownPorts?: readonly number[];
  /** Further such ports, which other processes announce. While they cannot be read, nothing is requested. */
  readonly announcedPorts?: () => Promise<readonly number[]>;
  /** Replaces DNS. */
  readonly resolve?: Resolver;
}

/** How long announced ports are cached. */
const PORTS_FRESH_MS = 10_000;

export function createSafeHttp(options: SafeHttpOptions): SafeHttp {
  const { announcedPorts = async () => [] } = options;
  const allow = createAllowList(options.allow);
  const ownPorts = new Set(options.ownPorts);
  const policy: Policy = { allow, ownPorts };
  const resolve = options.resolve ?? createResolver(allow);
  // Ports are never removed, because an instance outlives the worker that announced it.
  const learning = fresh(PORTS_FRESH_MS, async () => {
    for (const port of await announcedPorts()) ownPorts.add(port);
  });

  const open = async (url: string, question: Omit<Question, 'url' | 'lookup'>, maxChars?: number) => {
    await orAborted(learning.now(), question.signal);
    const target = readTarget(url, policy, maxChars);
    if (typeof target === 'string') throw notAllowed(target);
    let isPublic = isIP(target.host) === 0 || isPublicAddress(target.host);
    const mayDial = (address: string) => {
      isPublic &&= isPublicAddress(address);
      return isPublicAddress(address) || isOpen(policy, target, address);
    };
    const answer = await exchange({ ...question, url: target.url, lookup: guardedLookup(resolve, mayDial) });
    return { answer, isPublic };
  };

  const follow = async (first: string, { maxRedirects = 3, accept }: GetOptions, signal: AbortSignal) => {
    let url = first;
    for (let left = maxRedirects; ; left -= 1) {
      const { answer } = await open(url, { method: 'GET', headers: { Accept: accept }, signal });
      const next = redirectOf(answer, url);
      if (next === undefined) return { answer, url };
      answer.body.destroy();
      if (left === 0) throw unreachable(`The URL redirects more than ${maxRedirects} times.`);
      url = next;
    }
  };

  return {
    refusal: (url) => {
      const target = readTarget(url, policy);
      return typeof target === 'string' ? target : undefined;
    },
    get: (first, options) =>
      withDeadline(options.signal, options.timeoutMs, async (signal) => {
        const { answer, url } = await follow(first, options, signal);
        return fetched(answer, url, options.maxBytes);
      }),
    stream: (first, options, use) =>
      withDeadline(options.signal, options.timeoutMs, async (signal) => {
        const { answer } = await follow(first, options, signal);
        try {
          requireContent(answer, options.maxBytes);
          return await use(pieces(answer.body, options.maxBytes));
        } finally {
          answer.body.destroy();
        }
      }),
    read: async (first, { prepare, maxRedirects = 5, idleMs, connections, signal: caller }, use) => {
      caller.throwIfAborted();
      const { signal, abort, end } = joinSignals([caller]);
      const inTime = async <T>(answer: Promise<T>) => {
        const timer = setTimeout(() => abort(unreachable(`The URL sent nothing for ${idleMs} ms.`)), idleMs);
        return answer.finally(() => clearTimeout(timer));
      };
      const chain: Link[] = [];
      try {
        for (let url = first; ; ) {
          const { url: prepared, headers } = prepare(new URL(url));
          const question = { method: 'GET', headers, connections, signal } as const;
          const { answer } = await inTime(open(prepared.href, question, MAX_SIGNED_CHARS));
          chain.push({ ...answer, url });
          const next = redirectOf(answer, url);
          if (next === undefined) {
            requirePlain(answer);
            return await use(readingOf(chain, inTime));
          }
          answer.body.destroy();
          if (chain.length > maxRedirects) throw unreachable(`The URL redirects more than ${maxRedirects} times.`);
          url = next;
        }
      } catch (error) {
        throw signal.aborted ? signal.reason : error;
      } finally {
        end();
        // A body that was read to its end leaves its connection to the next request.
        chain.at(-1)?.body.destroy();
      }
    },
    post: (url, { body, headers, timeoutMs, maxAnswerBytes = 1024, signal: caller }) =>
      withDeadline(caller, timeoutMs, async (signal) => {
        const begin = performance.now();
        const { answer, isPublic } = await open(url, { method: 'POST', headers, body, signal });
        const start = await readStart(answer.body, maxAnswerBytes);
        caller.throwIfAborted();
        return {
          status: answer.status,
          retryAfter: answer.header('retry-after'),
          // `stream` omits a character that is cut in half at the end.
          answer: new TextDecoder().decode(start, { stream: true }),
          isPublic,
          durationMs: Math.round(performance.now() - begin),
        };
      }),
  };
}

/** URLs that hosts sign for downloads are longer than those that people write. */
const MAX_SIGNED_CHARS = 8192;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** The target of a redirect; undefined for other answers. */
function redirectOf({ status, header }: Answer, url: string): string | undefined {
  const location = header('location');
  if (!REDIRECTS.has(status) || location === undefined) return undefined;
  if (!URL.canParse(location, url)) throw unreachable('The URL redirects to something that is not a URL.');
  return new URL(location, url).href;
}

/** One answer of a chain of redirects, and the URL that gave it. */
interface Link extends Answer {
  readonly url: string;
}

function readingOf(chain: readonly Link[], inTime: <T>(answer: Promise<T>) => Promise<T>): Reading {
  const { status, header, body, url } = chain.at(-1) as Link;
  const content = pieces(body, Number.POSITIVE_INFINITY);
  return {
    status,
    header,
    url,
    firstHeader: (name) => {
      const found = chain.find((link) => link.header(name) !== undefined);
      return found && { value: found.header(name) as string, url: found.url };
    },
    // Each wait for a piece has its own deadline, so the time that the reader takes does not count.
    content: { [Symbol.asyncIterator]: () => ({ next: () => inTime(content.next()) }) },
  };
}

async function fetched(answer: Answer, url: string, maxBytes: number): Promise<Fetched> {
  const { header, body } = answer;
  try {
    requireContent(answer, maxBytes);
    return { data: await readWhole(body, maxBytes), contentType: header('content-type'), url };
  } finally {
    body.destroy();
  }
}

/** Throws url_unreachable for a response without content, or with content that is refused. */
function requireContent(answer: Answer, maxBytes: number): void {
  const { status, header } = answer;
  if (status < 200 || status > 299) throw unreachable(`The URL answered with the status ${status}.`);
  requirePlain(answer);
  if (Number(header('content-length') ?? 0) > maxBytes) {
    throw unreachable(`The URL leads to more than ${maxBytes} bytes.`);
  }
}

/** We did not ask for compression, and a few bytes may unpack to gigabytes. */
function requirePlain({ header }: Answer): void {
  const encoding = header('content-encoding') ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') throw unreachable('The URL gives a compressed answer, unasked.');
}

/**
 * Runs one exchange with a signal that aborts when the caller's does or after `ms`. The latter is thrown as
 * url_unreachable, the former as its reason.
 */
async function withDeadline<T>(caller: AbortSignal, ms: number, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  caller.throwIfAborted();
  const reason = () => unreachable(`The URL did not give its whole answer within ${ms} ms.`);
  const { signal, end } = joinSignals([caller], { ms, reason });
  try {
    return await run(signal);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    end();
  }
}
