import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A response as it was received. */
export interface RawAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** Longer than any of these responses takes. */
const PATIENCE_MS = 120_000;

export async function opened(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {}); // the other side may break off; what came is looked at
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('nothing went either way: it hangs')));
  await once(socket, 'connect');
  return socket;
}

/** Writes bytes, closes its side, and returns everything received until the other side closed. */
export async function exchange(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = await opened(port);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const closed = once(socket, 'close');
  socket.end(bytes);
  await closed;
  return Buffer.concat(chunks);
}

/** The first bytes that arrive. Rejects if the connection ends without any. */
export function firstBytes(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    socket.once('data', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed without an answer')));
  });
}

/** The complete responses in the received bytes, one for each request of a connection. */
export function answersOf(received: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = received;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return answers;
    const head = rest.subarray(0, end).toString('latin1');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
    if (!Number.isInteger(status)) throw new Error(`no answer: ${head.slice(0, 100)}`);
    const header = (name: string) => new RegExp(`\r\n${name}: *(.*)`, 'i').exec(head)?.[1] ?? '';
    const length = Number(header('content-length'));
    const body = rest.subarray(end + 4, end + 4 + length);
    answers.push({ status, contentType: header('content-type'), text: body.toString() });
    rest = rest.subarray(end + 4 + length);
  }
}
