import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import { problem } from './problems.js';

/** What Node says of bytes that it can make no request of, in words for the caller. */
const REASONS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'Its headers are too long.',
  ERR_HTTP_REQUEST_TIMEOUT: 'It came too slowly.',
};

/** For Node's `clientError`: answers as every other fault is answered, and closes the connection. */
export function refuseUnreadable({ code = '' }: NodeJS.ErrnoException, socket: Duplex): void {
  // As Node itself does: an answer that has begun must not get this one in its middle.
  const { _httpMessage: begun } = socket as { _httpMessage?: ServerResponse };
  if (!socket.writable || begun?.headersSent === true) {
    socket.destroy();
    return;
  }
  const detail = `The request cannot be read. ${REASONS[code] ?? 'It is not HTTP as RFC 9112 has it.'}`;
  const { status, headers = {}, body } = problem(new FleetError('malformed_request', detail), '');
  const text = JSON.stringify(body);
  const lines = Object.entries({ ...headers, 'Content-Length': `${Buffer.byteLength(text)}`, Connection: 'close' });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head}\r\n${text}`);
}
