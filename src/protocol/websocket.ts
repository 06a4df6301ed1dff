import type { WebSocket } from 'ws';
import type { Clock } from '../base/clock.ts';
import { YardError } from '../base/errors.ts';
import { FRAME_BYTES_MAX } from './frame-gate.ts';

/** How long a peer may take to close in good order. */
const GOODBYE_MS = 2_000;

/** Cuts a socket that is asked to close and does not get there. */
export function cutLater(socket: WebSocket, clock: Clock, ms = GOODBYE_MS): void {
  if (socket.readyState === socket.CLOSED) return;
  const timer = clock.setTimeout(() => socket.terminate(), ms);
  socket.once('close', () => timer.cancel());
}

/** Resolves when the socket itself is gone. */
export function closed(socket: WebSocket): Promise<void> {
  if (socket.readyState === socket.CLOSED) return Promise.resolve();
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** The WebSocket library's own refusals: too large a frame, bad opcodes, floods of fragments. */
export function findWebSocketFault(error: Error & { code?: unknown }): YardError | undefined {
  const { code } = error;
  if (typeof code !== 'string' || !code.startsWith('WS_ERR_')) return undefined;
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') {
    return new YardError('frame.too_large', `over ${FRAME_BYTES_MAX} bytes`);
  }
  return new YardError('frame.websocket', error.message);
}
