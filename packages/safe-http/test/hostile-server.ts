import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';

export interface HostileServer {
  readonly port: number;
  /** How many connections were made. */
  readonly connections: number;
  /** Connections that are open. */
  readonly open: number;
  close(): Promise<void>;
}

/** Starts `server` (TCP or TLS) on 127.0.0.1, which answers each connection once, depending on the requested path. */
export async function startHostileServer(server: Server = createServer()): Promise<HostileServer> {
  let connections = 0;
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
  });
  server.on(server.listenerCount('tlsClientError') > 0 ? 'secureConnection' : 'connection', (socket: Socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (head) => {
      const [, path = '/'] = head.toString('latin1').split(' ');
      const [name = '', argument = ''] = path.slice(1).split('?');
      (BEHAVIOUR[name] ?? secret)(socket, decodeURIComponent(argument));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n';
const MIB = 1024 * 1024;

const secret = (socket: Socket) => socket.end(`${OK}Content-Length: 6\r\n\r\nsecret`);

const BEHAVIOUR: Readonly<Record<string, (socket: Socket, argument: string) => void>> = {
  picture: (socket) => socket.end(`${OK}Content-Length: 7\r\n\r\npicture`),
  'closed-at-the-end': (socket) => socket.end(`${OK}\r\npicture`),
  status: (socket, code) => socket.end(`HTTP/1.1 ${code} Whatever\r\nContent-Length: 7\r\n\r\npicture`),
  to: (socket, location) => socket.end(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`),
  'endless-redirect': (socket, location) => {
    socket.write(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nTransfer-Encoding: chunked\r\n\r\n`);
    forever(socket, chunk(Buffer.alloc(MIB)));
  },
  nowhere: (socket) => socket.end('HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n'),
  endless: (socket) => {
    socket.write(`${OK}\r\n`);
    forever(socket, Buffer.alloc(MIB));
  },
  'endless-chunks': (socket) => {
    socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n`);
    forever(socket, chunk(Buffer.alloc(MIB)));
  },
  'small-chunks': (socket) => {
    socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n`);
    forever(socket, Buffer.concat(Array.from({ length: 1000 }, () => chunk(Buffer.alloc(1)))));
  },
  'endless-headers': (socket) => {
    socket.write(OK);
    forever(socket, Buffer.from('X-More: more\r\n'.repeat(100)));
  },
  'endless-interim': (socket) => forever(socket, Buffer.from('HTTP/1.1 103 Early Hints\r\n\r\n')),
  'huge-header': (socket) => socket.end(`${OK}X-Huge: ${'x'.repeat(MIB)}\r\n\r\npicture`),
  silent: () => undefined,
  'slow-headers': (socket) => drip(socket, OK),
  'slow-body': (socket) => {
    socket.write(`${OK}Content-Length: 1000\r\n\r\n`);
    drip(socket, 'x'.repeat(1000));
  },
  'claims-a-terabyte': (socket) => socket.write(`${OK}Content-Length: ${MIB * MIB}\r\n\r\n`),
  'ends-early': (socket) => socket.end(`${OK}Content-Length: 1000\r\n\r\npicture`),
  'ends-early-chunked': (socket) => socket.end(`${OK}Transfer-Encoding: chunked\r\n\r\n7\r\npicture\r\n`),
  'goes-on': (socket) => socket.end(`${OK}Content-Length: 7\r\n\r\npicture and more`),
  'two-lengths': (socket) => socket.end(`${OK}Content-Length: 7\r\nContent-Length: 8\r\n\r\npicture`),
  'negative-length': (socket) => socket.end(`${OK}Content-Length: -7\r\n\r\npicture`),
  'length-and-chunks': (socket) =>
    socket.end(`${OK}Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n7\r\npicture\r\n0\r\n\r\n`),
  packed: (socket, encoding) => {
    const bomb = gzipSync(Buffer.alloc(16 * MIB));
    socket.write(`${OK}Content-Encoding: ${encoding}\r\nContent-Length: ${bomb.length}\r\n\r\n`);
    socket.end(bomb);
  },
  ssh: (socket) => socket.end('SSH-2.0-OpenSSH_9.9\r\n'),
  hangup: (socket) => socket.destroy(),
};

function chunk(data: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from('\r\n')]);
}

/** Sends the same data repeatedly, as fast as it is read. */
function forever(socket: Socket, data: Buffer): void {
  const more = () => {
    while (!socket.destroyed && socket.write(data));
  };
  socket.on('drain', more);
  more();
}

/** Sends one byte every 20 ms. */
function drip(socket: Socket, text: string): void {
  const bytes = text[Symbol.iterator]();
  const timer = setInterval(() => socket.write(bytes.next().value ?? ''), 20);
  socket.on('close', () => clearInterval(timer));
}
