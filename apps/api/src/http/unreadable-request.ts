import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { FleetError } from '@comfy-fleet/contracts';
import { refusal } from './problems.js';
import { writeReply } from './write-reply.js';

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
  writeReply(socket, refusal(new FleetError('malformed_request', detail), { path: '', dialect: undefined }));
}
