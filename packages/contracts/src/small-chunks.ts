/** A body may have this many chunks of any size. With more, they must average at least MIN_CHUNK_BYTES. */
const SMALL_CHUNKS = 1000;
const MIN_CHUNK_BYTES = 256;

/** Whether a body has too many small chunks: each takes time, and 400 bytes of memory besides its content. */
export function areTooSmall(chunks: number, bytes: number): boolean {
  return chunks > SMALL_CHUNKS && bytes < chunks * MIN_CHUNK_BYTES;
}
