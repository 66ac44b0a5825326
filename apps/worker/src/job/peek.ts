/** The first bytes of a stream, `most` or a little more (all of it when it is shorter), and the whole of it. */
export async function peek(
  source: AsyncIterable<Uint8Array>,
  most: number,
): Promise<{ readonly start: Buffer; readonly whole: AsyncGenerator<Uint8Array> }> {
  const chunks = source[Symbol.asyncIterator]();
  const read: Uint8Array[] = [];
  for (let bytes = 0; bytes < most; ) {
    const { done, value } = await chunks.next();
    if (done === true) break;
    read.push(value);
    bytes += value.length;
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield* read;
    for (;;) {
      const { done, value } = await chunks.next();
      if (done === true) return;
      yield value;
    }
  }
  return { start: Buffer.concat(read), whole: whole() };
}
