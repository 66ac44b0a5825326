import type { WebSocket } from 'ws';

/** Pings that may go unanswered: the loading of a model can keep ComfyUI's event loop from answering for a while. */
const PATIENCE = 2;

/** Pings an open socket until it closes; ends it, after a word to `onSilent`, when nothing comes back. */
export function watchLiveness(socket: WebSocket, pingMs: number, onSilent: () => void): void {
  let unanswered = 0;
  const heard = () => {
    unanswered = 0;
  };
  const pinger = setInterval(() => {
    if (unanswered >= PATIENCE) {
      onSilent();
      socket.terminate();
      return;
    }
    unanswered += 1;
    socket.ping();
  }, pingMs);
  socket.on('message', heard);
  socket.on('pong', heard);
  socket.once('close', () => clearInterval(pinger));
}
