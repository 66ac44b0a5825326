/** Enough for the pictures that are requested in about a day; an entry takes about 300 bytes. */
const CAPACITY = 10_000;

/**
 * Caches digests, so that a picture is read once for its ETag and not for every request. The cache is in memory because
 * the alternatives are worse: sidecar files double the number of files and can contradict their pictures, and many volumes
 * and Node lack extended attributes. A key identifies a version of the content, so entries never become wrong.
 */
export class DigestCache {
  readonly #digests = new Map<string, Promise<string>>();

  /** Returns the digest of `key`. Concurrent calls share one computation; failures are not cached. */
  get(key: string, compute: () => Promise<string>): Promise<string> {
    const digest = this.#digests.get(key) ?? compute();
    // Move the key to the end of the insertion order, so that the first key is the least recently used.
    this.#digests.delete(key);
    this.#digests.set(key, digest);
    digest.catch(() => this.#digests.delete(key));
    if (this.#digests.size > CAPACITY) this.#digests.delete(this.#digests.keys().next().value ?? key);
    return digest;
  }
}
