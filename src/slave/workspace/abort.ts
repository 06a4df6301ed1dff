/** What `promise` comes to, or the abort's reason as soon as there is one; the work itself goes on. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    const settled = () => signal.removeEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    void promise.then(resolve, reject).finally(settled);
  });
}

interface Flight {
  landed: Promise<void>;
  waiters: number;
  abandon: (reason: unknown) => void;
}

/** One piece of work for each id at a time, for all who wait for it; the last to give up stops it. */
export function shareWork(work: (id: string, signal: AbortSignal) => Promise<void>) {
  const flights = new Map<string, Flight>();

  function takeOff(id: string): Flight {
    const controller = new AbortController();
    const landed = work(id, controller.signal).finally(() => {
      if (flights.get(id) === flight) flights.delete(id);
    });
    const abandon = (reason: unknown) => controller.abort(reason);
    const flight: Flight = { landed, waiters: 0, abandon };
    flights.set(id, flight);
    return flight;
  }

  return async (id: string, signal: AbortSignal): Promise<void> => {
    const flight = flights.get(id) ?? takeOff(id);
    flight.waiters++;
    try {
      await untilAborted(flight.landed, signal);
    } finally {
      flight.waiters--;
      if (flight.waiters === 0 && flights.get(id) === flight) {
        // Whoever comes now must not wait for what is being stopped.
        flights.delete(id);
        flight.abandon(signal.reason);
      }
    }
  };
}
