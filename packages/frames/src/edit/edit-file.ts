import { editOgg } from './ogg.js';
import { PieceReader } from './piece-reader.js';
import { withPngChecksums } from './png.js';

/**
 * Changes data of a file, but not its length. `done` is what may go on, `rest` what is to come again, before what follows
 * it. Of the last data nothing is left.
 */
export type Edit = (data: Buffer, isLast: boolean) => { readonly done: Buffer; readonly rest: Buffer };

/** A file with texts of the same length in place of others, and with the checksums of PNG and Ogg corrected. */
export async function* editFile(source: AsyncIterable<Uint8Array>, edit: Edit): AsyncGenerator<Uint8Array> {
  const file = new PieceReader(source);
  const magic = (await file.peek(4)).toString('latin1');
  if (magic === 'OggS') yield* editOgg(file, (headers) => edit(headers, true).done);
  else if (magic === '\x89PNG') yield* withPngChecksums(new PieceReader(edited(file.pieces(), edit)));
  else yield* edited(file.pieces(), edit);
}

async function* edited(pieces: AsyncIterable<Uint8Array>, edit: Edit): AsyncGenerator<Uint8Array> {
  let pending: Uint8Array[] = [];
  let bytes = 0;
  let wanted = 0;
  for await (const piece of pieces) {
    pending.push(piece);
    bytes += piece.length;
    if (bytes < wanted) continue;
    const { done, rest } = edit(Buffer.concat(pending), false);
    if (done.length > 0) yield done;
    pending = [rest];
    bytes = rest.length;
    // Looking at a long text again for each piece would take quadratic time.
    wanted = 2 * bytes;
  }
  yield edit(Buffer.concat(pending), true).done;
}
