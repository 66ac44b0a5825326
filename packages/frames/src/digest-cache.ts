/** Enough for every picture that is looked at in a day or so; an entry is some 300 bytes. */
const CAPACITY = 10_000;

/**
 * Remembers digests so that a picture is read once for its ETag and not at every request. In memory, because the
 * alternatives are worse: a sidecar file doubles the files and can contradict its picture, extended attributes are
 * missing on many volumes and in Node. The key names a version of the content, so an entry is never wrong, only unused.
 */
export class DigestCache {
  readonly #digests = new Map<string, Promise<string>>();

  /** The digest of `key`, computed once however many ask at the same time. A failure is not remembered. */
  get(key: string, compute: () => Promise<string>): Promise<string> {
    const digest = this.#digests.get(key) ?? compute();
    // Put back at the end of the insertion order: the first key is the one unused for longest.
    this.#digests.delete(key);
    this.#digests.set(key, digest);
    digest.catch(() => this.#digests.delete(key));
    if (this.#digests.size > CAPACITY) this.#digests.delete(this.#digests.keys().next().value ?? key);
    return digest;
  }
}
