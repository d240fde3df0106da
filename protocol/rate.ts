/**
 * A limit of bytes a second, over all connections.
 *
 * @module
 */

/** The time whose bytes may come at once, after a pause or with one read. */
const BURST_MS = 100;

/**
 * Says how long to wait after bytes have come, so that all connections together stay below
 * `bytesPerSecond`, evenly and not only on average: no time that was not used is made up for.
 *
 * Each connection reads at most `most` bytes, takes them, and waits before it reads again. The
 * bytes of a time of t seconds are then at most `bytesPerSecond` × (t + 0.1), and one read of
 * each connection.
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * const limit = new RateLimit(1000);
 * assertEquals(limit.take(100, 0), 0); // what a tenth of a second has
 * assertEquals(limit.take(50, 0), 50);
 * assertEquals(limit.take(50, 20), 80); // another connection waits for both
 * ```
 */
export class RateLimit {
  /** The most bytes that one read should ask for. */
  readonly most: number;
  /** The time at which all that was taken is paid for, in milliseconds. */
  #paid = -Infinity;

  /** Allows so many bytes a second, above 0; `Infinity` is no limit. */
  constructor(readonly bytesPerSecond: number) {
    this.most = Math.max(1, Math.floor(bytesPerSecond * BURST_MS / 1000));
  }

  /**
   * Takes `bytes` that came.
   *
   * @param now The time in milliseconds, from any beginning, that never goes back.
   * @returns How many milliseconds to wait before the next read.
   */
  take(bytes: number, now: number): number {
    const from = Math.max(this.#paid, now - BURST_MS);
    this.#paid = from + bytes / this.bytesPerSecond * 1000;
    return Math.max(0, this.#paid - now);
  }
}
