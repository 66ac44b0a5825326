import { Writable } from 'node:stream';

/**
 * Takes lines for a stream and writes those of one turn of the event loop at once: a system call for each costs a busy
 * process more than to make it. The last ones are written when the process exits.
 */
export function byTurn(stream: NodeJS.WritableStream): Writable {
  let lines = '';
  const flush = () => {
    if (lines !== '') stream.write(lines);
    lines = '';
  };
  process.on('exit', flush);
  return new Writable({
    decodeStrings: false,
    write(line: string, _encoding, done) {
      if (lines === '') setImmediate(flush);
      lines += line;
      done();
    },
  });
}
