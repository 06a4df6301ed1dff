/**
 * The wire, as a port. A connection carries frames in order; at a cut, an unknown last part of
 * what was sent is lost, and each side may learn of the cut at another time (dst.md part 2.3).
 * Production puts socket.io beneath it, a simulation its own network.
 */
export interface Connection<Out, In> {
  /** Unique among this process's connections; compare connections by it, never by peer name. */
  readonly id: string;
  /** The peer's address, for people. */
  readonly remote: string;
  /** Sends one frame holding all of `messages`, in order. Does nothing once closed. */
  send: (messages: readonly Out[]) => void;
  /** Sets who hears the frames: each call gets one frame's messages, already validated. */
  onMessages: (handler: (messages: In[]) => void) => void;
  /** Sets who hears, once, that this connection is over, and why. */
  onClose: (handler: (reason: string) => void) => void;
  /** Ends the connection; the peer sees `reason` if it still can. */
  close: (reason: string) => void;
}
