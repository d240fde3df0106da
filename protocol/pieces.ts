/**
 * Which connection fetches which bytes of one file.
 *
 * @module
 */
import type { Span } from "./resume.ts";

/**
 * The least bytes that are worth a connection of their own: half a second at 2 MB/s, several
 * times what it takes to connect.
 */
export const MIN_PIECE_BYTES = 1024 * 1024;

/** Sorts spans and joins those that touch or overlap; empty ones vanish. */
function merged(spans: readonly Span[]): Span[] {
  const result: Span[] = [];
  for (const [start, end] of spans.toSorted(([a], [b]) => a - b)) {
    const last = result.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else if (start < end) result.push([start, end]);
  }
  return result;
}

/** What merged spans leave of the bytes up to `total`. */
function gapsBetween(spans: readonly Span[], total: number): Span[] {
  const starts = [0, ...spans.map(([, end]) => end)];
  const ends = [...spans.map(([start]) => start), total];
  return merged(starts.map((start, at): Span => [start, ends[at]!]));
}

function sizeOf(spans: readonly Span[]): number {
  return spans.reduce((sum, [start, end]) => sum + end - start, 0);
}

/** Cuts spans into parts of about `size` bytes, none smaller unless its span is. */
function cut(spans: readonly Span[], size: number): Span[] {
  return spans.flatMap(([start, end]) => {
    const parts = Math.max(1, Math.floor((end - start) / size));
    const border = (at: number) => start + Math.floor((end - start) * at / parts);
    return Array.from({ length: parts }, (_, at): Span => [border(at), border(at + 1)]);
  });
}

/**
 * What one connection fetches, from its first byte on. Its end may come nearer while it does: so
 * each time bytes have come, it claims them, writes as many as it may, and says so.
 */
export class Piece {
  #claimed: number;
  #written: number;
  #end: number;

  /** Makes a piece of the bytes from `start` to `end`, without the one at `end`. */
  constructor(readonly start: number, end: number) {
    this.#claimed = this.#written = start;
    this.#end = end;
  }

  /** Where the piece ends, by now. */
  get end(): number {
    return this.#end;
  }

  /** The bytes that are in the file. */
  get written(): Span {
    return [this.start, this.#written];
  }

  /** The bytes that are not yet in the file. */
  get missing(): Span {
    return [this.#written, this.#end];
  }

  /** How many bytes are still to come. */
  get left(): number {
    return this.#end - this.#claimed;
  }

  /** Takes the next bytes that came, `count` of them: how many of them are this piece's. */
  claim(count: number): number {
    const taken = Math.min(count, this.left);
    this.#claimed += taken;
    return taken;
  }

  /** Is told that `count` claimed bytes are in the file. */
  wrote(count: number): void {
    if (this.#written + count > this.#claimed) throw new RangeError("more than was claimed");
    this.#written += count;
  }

  /** Gives the second half of what is left away, unless one half is less than `least` bytes. */
  halve(least: number): Span | undefined {
    if (this.left < 2 * least) return undefined;
    const half: Span = [this.#end - Math.floor(this.left / 2), this.#end];
    this.#end = half[0];
    return half;
  }
}

/**
 * Gives out a file's missing bytes to connections, piece by piece. A byte is in the file, or in
 * the piece of one connection, or nobody has it yet; so it is written once, but for those that
 * were claimed and not written when their connection failed.
 *
 * At first all are cut in as many equal pieces as there are connections. If one is done early,
 * it gets half of what is left of the piece that has most left; so a slow one does not hold up
 * the end.
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * const pieces = new Pieces(100, 2, [], 10);
 * const first = pieces.next()!, second = pieces.next()!;
 * assertEquals([first.missing, second.missing], [[0, 50], [50, 100]]);
 * second.wrote(second.claim(50));
 * pieces.release(second);
 * assertEquals(pieces.next()!.missing, [25, 50]);
 * assertEquals(first.claim(50), 25); // the rest is another connection's by now
 * assertEquals(pieces.ranges, [[50, 100]]);
 * ```
 */
export class Pieces {
  /** What is in the file of pieces that were released, and before. */
  #there: Span[];
  /** What nobody has, cut in pieces. */
  #free: Span[];
  #given = new Set<Piece>();

  /**
   * Begins with a file that has the bytes of `there` already, for `connections` connections;
   * `least` is the smallest piece that is cut.
   *
   * @throws {RangeError} if `there` is not within the `total` bytes.
   */
  constructor(
    readonly total: number,
    connections: number,
    there: readonly Span[] = [],
    readonly least: number = MIN_PIECE_BYTES,
  ) {
    for (const [start, end] of there) {
      const whole = Number.isSafeInteger(start) && Number.isSafeInteger(end);
      if (!whole || start < 0 || end < start || end > total) {
        throw new RangeError(`the bytes from ${start} to ${end} of ${total}`);
      }
    }
    this.#there = merged(there);
    const gaps = gapsBetween(this.#there, total);
    // a little less than the exact share, so that rounding makes no part fewer
    this.#free = cut(gaps, Math.max(least, Math.floor(sizeOf(gaps) / connections)));
  }

  /** The bytes that are in the file: sorted, and none of them touch. */
  get ranges(): Span[] {
    return merged([...this.#there, ...[...this.#given].map((piece) => piece.written)]);
  }

  /** How many bytes are in the file. */
  get bytes(): number {
    return sizeOf(this.ranges);
  }

  /** Whether all bytes are in the file. */
  get complete(): boolean {
    return this.bytes === this.total;
  }

  /**
   * A piece for a connection that has none, the one at `at` if nobody has that: there its body
   * goes on. Undefined if nothing is worth a connection any more.
   */
  next(at?: number): Piece | undefined {
    const here = Math.max(0, this.#free.findIndex(([start]) => start === at));
    const span = this.#free.splice(here, 1)[0] ?? this.#half();
    if (!span) return undefined;
    const piece = new Piece(...span);
    this.#given.add(piece);
    return piece;
  }

  #half(): Span | undefined {
    let largest: Piece | undefined;
    for (const piece of this.#given) {
      if (piece.left > (largest?.left ?? 0)) largest = piece;
    }
    return largest?.halve(this.least);
  }

  /** Takes a piece back, done or not: what is missing of it goes to the next connection. */
  release(piece: Piece): void {
    if (!this.#given.delete(piece)) return;
    this.#there = merged([...this.#there, piece.written]);
    const [start, end] = piece.missing;
    if (start < end) this.#free.unshift([start, end]);
  }
}
