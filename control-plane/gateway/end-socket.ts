import type { Duplex } from 'node:stream';

const PATIENCE_MS = 3_000;

/** Sends the last bytes and lets go: a client that never closes its side would hold the connection for good. */
export function endSocket(socket: Duplex, bytes: string | Buffer = ''): void {
  const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
  timer.unref();
  socket.once('close', () => {
    clearTimeout(timer);
  });
  socket.end(bytes);
}
