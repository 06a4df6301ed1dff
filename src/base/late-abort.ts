/**
 * An AbortController that makes its signal only for who asks for it: three signals, hardly ever
 * looked at, cost more than all else that a short attempt allocates.
 */
export class LateAbort {
  #controller: AbortController | undefined;
  #abort: { reason: Error } | undefined;

  get aborted(): boolean {
    return this.#abort !== undefined;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#abort) this.#controller.abort(this.#abort.reason);
    }
    return this.#controller.signal;
  }

  abort(reason: Error): void {
    this.#abort ??= { reason };
    this.#controller?.abort(reason);
  }

  throwIfAborted(): void {
    if (this.#abort) throw this.#abort.reason;
  }
}
