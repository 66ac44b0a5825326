/** Reads a stream in order. At its end, methods return fewer bytes than requested. */
export class ByteReader {
  /** How many bytes have been read. */
  at = 0;
  readonly #parts: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(content: AsyncIterable<Uint8Array>) {
    this.#parts = content[Symbol.asyncIterator]();
  }

  /** Returns the next `length` bytes without consuming them. */
  async peek(length: number): Promise<Buffer> {
    const parts: Uint8Array[] = [this.#rest];
    for (let bytes = this.#rest.length; bytes < length; ) {
      const { value, done } = await this.#parts.next();
      if (done === true) break;
      parts.push(value);
      bytes += value.length;
    }
    if (parts.length > 1) this.#rest = Buffer.concat(parts);
    return this.#rest.subarray(0, length);
  }

  async take(length: number): Promise<Buffer> {
    const taken = await this.peek(length);
    this.#drop(taken.length);
    return taken;
  }

  /** Yields the next `length` bytes (by default all) in pieces as they arrive. */
  async *pieces(length = Number.POSITIVE_INFINITY): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      const available = (await this.peek(1)).length === 0 ? 0 : Math.min(left, this.#rest.length);
      if (available === 0) return;
      yield await this.take(available);
      left -= available;
    }
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) {
      if ((await this.peek(1)).length === 0) return;
      const step = Math.min(left, this.#rest.length);
      this.#drop(step);
      left -= step;
    }
  }

  /** Moves to the next occurrence of `byte` before one that is wanted; false if there is none. */
  async skipUntil(byte: number, isWanted: (next: number) => boolean): Promise<boolean> {
    while ((await this.peek(2)).length > 1) {
      const last = this.#rest.length - 1;
      let at = 0;
      while (at < last && (this.#rest[at] !== byte || !isWanted(this.#rest[at + 1] as number))) at += 1;
      this.#drop(at);
      if (at < last) return true;
    }
    return false;
  }

  async skipZeros(): Promise<void> {
    while ((await this.peek(1)).length > 0) {
      const found = this.#rest.findIndex((byte) => byte !== 0);
      this.#drop(found === -1 ? this.#rest.length : found);
      if (found !== -1) return;
    }
  }

  /** Removes bytes from the front. */
  #drop(length: number): void {
    this.#rest = this.#rest.subarray(length);
    this.at += length;
  }
}
