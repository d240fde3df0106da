/**
 * Signals that a test looks into: who listens, and time limits that pass when it says so.
 *
 * @module
 */

/** A signal, and the listeners that are on it. */
export class WatchedSignal {
  readonly #controller = new AbortController();
  /** The signal. */
  readonly signal: AbortSignal = this.#controller.signal;
  /** Who listens now. */
  readonly listeners = new Set<unknown>();

  constructor() {
    const { signal, listeners } = this;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (type: string, listener: EventListener) => {
      listeners.add(listener);
      addEventListener.call(signal, type, listener);
    };
    signal.removeEventListener = (type: string, listener: EventListener) => {
      listeners.delete(listener);
      removeEventListener.call(signal, type, listener);
    };
  }

  /** Aborts it. */
  abort(reason: unknown) {
    this.#controller.abort(reason);
  }
}

/** `AbortSignal.timeout` as long as it is not disposed of: none passes by itself. */
export class ManualTimeouts implements Disposable {
  /** The milliseconds of those that were made, what lets them pass, and who waits for that. */
  readonly made: { ms: number; pass: () => void; listeners: ReadonlySet<unknown> }[] = [];
  readonly #timeout = AbortSignal.timeout;

  constructor() {
    AbortSignal.timeout = (ms) => {
      const watched = new WatchedSignal();
      const pass = () => watched.abort(new DOMException("Signal timed out.", "TimeoutError"));
      this.made.push({ ms, pass, listeners: watched.listeners });
      return watched.signal;
    };
  }

  [Symbol.dispose]() {
    AbortSignal.timeout = this.#timeout;
  }
}
