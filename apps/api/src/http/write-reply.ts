import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { closeConnection } from './close-connection.js';
import type { Reply } from './messages.js';

/** Answers on a connection that Node has no answer for, and ends it. The body is JSON. */
export function writeReply(socket: Duplex, { status, headers = {}, body = {} }: Reply): void {
  const text = JSON.stringify(body);
  const type = headers['Content-Type'] ?? 'application/json; charset=utf-8';
  const length = `${Buffer.byteLength(text)}`;
  const all = { ...headers, 'Content-Type': type, 'Content-Length': length, Connection: 'close' };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('')}\r\n${text}`);
  closeConnection(socket);
}
