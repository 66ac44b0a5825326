import type { ModelBucket, ModelCredential } from '@comfy-fleet/config';

/** A request with the credentials that its URL needs. */
export interface Prepared {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** The credentials of the operator, for URLs that the operator or a caller gave. */
export class Credentials {
  readonly #entries: readonly ModelCredential[];

  constructor(entries: readonly ModelCredential[]) {
    this.#entries = entries;
  }

  /** Without those that callers' URLs may not use: a caller could fetch with them what only the operator may have. */
  forCallers(): Credentials {
    return new Credentials(this.#entries.filter(({ callers }) => callers));
  }

  /** Adds the credentials of the first entry that fits. Call it for each URL of a chain of redirects. */
  prepare(url: URL): Prepared {
    const found = this.#entries.find((entry) => covers(entry.url, url));
    if (found === undefined) return { url, headers: {} };
    const signed = new URL(url);
    for (const [name, value] of Object.entries(found.query)) signed.searchParams.set(name, value);
    return { url: signed, headers: found.headers };
  }

  has(url: string): boolean {
    return this.#entries.some((entry) => covers(entry.url, new URL(url)));
  }

  /** How to read an object of `s3://bucket/key`; undefined if no entry says it. */
  bucketOf(url: string): ModelBucket | undefined {
    return this.#entries.find((entry) => covers(entry.url, new URL(url)))?.s3;
  }
}

/** Whether a URL begins with a pattern. The parts are compared one by one, so that a host cannot pass for another. */
function covers(pattern: string, { protocol, host, pathname }: URL): boolean {
  const parts = /^([a-z0-9]+:)\/\/(\*\.)?([^/]+)(\/.*)?$/.exec(pattern);
  if (parts === null) return false;
  const [, scheme, wildcard, name = '', path = '/'] = parts;
  // Parsed like the URL, so that a default port and the case of the host do not matter.
  const wanted = new URL(`${scheme}//${name}`).host;
  const isHost = wildcard === undefined ? host === wanted : host.endsWith(`.${wanted}`);
  return scheme === protocol && isHost && pathname.startsWith(path);
}
