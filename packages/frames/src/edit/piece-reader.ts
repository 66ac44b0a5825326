/** Reads a stream in portions of a wanted length. */
export class PieceReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #next: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** So many bytes, which will be read again; fewer at the end of the stream. */
  async peek(length: number): Promise<Buffer> {
    const read: Uint8Array[] = [this.#next];
    for (let bytes = this.#next.length; bytes < length; ) {
      const { done, value } = await this.#source.next();
      if (done === true) break;
      read.push(value);
      bytes += value.length;
    }
    if (read.length > 1) this.#next = Buffer.concat(read);
    return this.#next.subarray(0, length);
  }

  /** So many bytes; fewer at the end of the stream. */
  async take(length: number): Promise<Buffer> {
    const taken = await this.peek(length);
    this.#next = this.#next.subarray(taken.length);
    return taken;
  }

  /** The next `length` bytes in pieces as they come, all of them by default. */
  async *pieces(length = Number.POSITIVE_INFINITY): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      const available = (await this.peek(1)).length === 0 ? 0 : Math.min(left, this.#next.length);
      if (available === 0) return;
      yield await this.take(available);
      left -= available;
    }
  }
}
