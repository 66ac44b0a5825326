import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Certificates } from './certificates.js';

export interface RedisAddress {
  readonly port: number;
  readonly certificates?: Certificates | undefined;
  readonly password?: string | undefined;
}

/** Says one line to a server on 127.0.0.1, as one would by hand, and answers what it says; empty when nobody is there. */
export async function askRedis({ port, certificates, password }: RedisAddress, line: string): Promise<string> {
  const { cert, key } = certificates ?? {};
  const at = { host: '127.0.0.1', port };
  const socket = certificates === undefined ? connectTcp(at) : connectTls({ ...at, ca: cert, cert, key });
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString();
  });
  try {
    // Having nothing more to say makes it hang up after its answer.
    socket.end(`${password === undefined ? '' : `AUTH ${password}\r\n`}${line}\r\n`);
    await once(socket, 'close');
    return password === undefined ? answer : answer.replace('+OK\r\n', '');
  } catch {
    return '';
  } finally {
    socket.destroy();
  }
}
