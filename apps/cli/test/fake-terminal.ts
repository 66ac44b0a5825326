import { Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';

/** A terminal that remembers what was written to it. */
export class FakeTerminal extends Writable {
  readonly isTTY = true;
  readonly columns = 80;
  readonly rows = 24;
  written = '';

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.written += chunk;
    done();
  }

  /** Every line that was ever drawn, without what moves the cursor. */
  get lines(): string[] {
    return stripVTControlCharacters(this.written).split('\n');
  }
}
