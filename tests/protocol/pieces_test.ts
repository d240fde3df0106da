/**
 * How a file's bytes are given out: each to one connection at a time, the last ones halved.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "jsr:@std/assert@^1.0.0";
import { MIN_PIECE_BYTES, type Piece, Pieces } from "../../protocol/pieces.ts";
import type { Span } from "../../protocol/resume.ts";
import { fc } from "../support/fuzz.ts";
import { rounds } from "../support/thorough.ts";

/** The pieces that so many connections get. */
function given(pieces: Pieces, connections: number): (Span | undefined)[] {
  return Array.from({ length: connections }, () => pieces.next()?.missing);
}

/** Fetches all of a piece. */
function finish(pieces: Pieces, piece: Piece) {
  piece.wrote(piece.claim(piece.left));
  pieces.release(piece);
}

Deno.test("Pieces cuts a file in as many equal pieces as there are connections", () => {
  assertEquals(given(new Pieces(400, 4, [], 1), 4), [[0, 100], [100, 200], [200, 300], [300, 400]]);
  assertEquals(given(new Pieces(100, 3, [], 1), 3), [[0, 33], [33, 66], [66, 100]]);
  assertEquals(given(new Pieces(100, 1, [], 1), 1), [[0, 100]]);
});

Deno.test("Pieces cuts no piece that is not worth a connection", () => {
  const least = MIN_PIECE_BYTES;
  const large = Array.from({ length: 16 }, (_, at): Span => [at * least, (at + 1) * least]);
  assertEquals(given(new Pieces(16 * least, 16), 17), [...large, undefined]);
  assertEquals(given(new Pieces(2 * least - 1, 16), 2), [[0, 2 * least - 1], undefined]);
  assertEquals(given(new Pieces(1, 16), 2), [[0, 1], undefined]);
  assertEquals(given(new Pieces(2_000_000, 16), 2), [[0, 2_000_000], undefined]);
  assertEquals(given(new Pieces(0, 16), 1), [undefined]);
  assert(new Pieces(0, 16).complete);
});

Deno.test("Pieces gives out what an earlier run left", () => {
  const there: Span[] = [[50, 60], [0, 10], [10, 20], [55, 70]];
  const pieces = new Pieces(100, 2, there, 1);
  assertEquals(pieces.ranges, [[0, 20], [50, 70]]);
  assertEquals(pieces.bytes, 40);
  assertEquals(given(pieces, 2), [[20, 50], [70, 100]]);
  assert(new Pieces(100, 4, [[0, 100]]).complete);
  assertEquals(given(new Pieces(100, 4, [[0, 100]]), 1), [undefined]);
});

Deno.test("Pieces gives a connection the piece that its body goes on with, if nobody has that", () => {
  const pieces = new Pieces(400, 4, [], 1);
  const first = pieces.next()!;
  assertEquals([first.missing, pieces.next(200)!.missing], [[0, 100], [200, 300]]);
  finish(pieces, first);
  assertEquals([pieces.next(200)!.missing, pieces.next(300)!.missing], [[100, 200], [300, 400]]);
});

Deno.test("Pieces refuses spans that are not of the file", () => {
  for (const span of [[-1, 5], [5, 101], [6, 5], [0.5, 5], [0, NaN], [0, Infinity]] as Span[]) {
    assertThrows(() => new Pieces(100, 4, [span]), RangeError);
  }
});

Deno.test("Pieces halves what is left of the piece that has most left", () => {
  const pieces = new Pieces(100, 2, [], 10);
  const [slow, fast] = [pieces.next()!, pieces.next()!];
  slow.wrote(slow.claim(5));
  finish(pieces, fast);
  const half = pieces.next()!;
  assertEquals([slow.missing, half.missing], [[5, 28], [28, 50]]);
  assertEquals([slow.left, slow.claim(100), slow.left], [23, 23, 0]);
  assertEquals(pieces.next()!.missing, [39, 50]);
  assertEquals(pieces.next(), undefined, "a half of eleven is less than ten");
});

Deno.test("Pieces does not give away what is claimed, and refetches what was not written", () => {
  const pieces = new Pieces(100, 1, [], 10);
  const first = pieces.next()!;
  assertEquals(first.claim(60), 60);
  const half = pieces.next()!;
  assertEquals(half.missing, [80, 100]);
  first.wrote(30);
  assertEquals(pieces.ranges, [[0, 30]]);
  assertThrows(() => first.wrote(31), RangeError);
  pieces.release(first);
  pieces.release(first);
  assertEquals(given(pieces, 2), [[30, 80], [55, 80]]);
});

Deno.test("Pieces gives what a failed connection left to the next one", () => {
  const pieces = new Pieces(150, 3, [], 1);
  const [first, second] = [pieces.next()!, pieces.next()!];
  first.wrote(first.claim(20));
  pieces.release(first);
  assertEquals(pieces.ranges, [[0, 20]]);
  const again = pieces.next()!;
  assertEquals(again.missing, [20, 50]);
  for (const piece of [again, second, pieces.next()!]) finish(pieces, piece);
  assertEquals([pieces.complete, pieces.ranges, pieces.bytes], [true, [[0, 150]], 150]);
});

/** What connections do, one step each: `which` of those that have a piece. */
const step = fc.oneof(
  fc.record({ act: fc.constant("next" as const) }),
  fc.record({
    act: fc.constantFrom("claim" as const, "write" as const, "release" as const),
    which: fc.nat(15),
    count: fc.nat(40),
  }),
);

Deno.test("Pieces gives each byte to one connection at a time, whatever they do", () => {
  const total = fc.integer({ min: 0, max: 200 });
  const there = fc.array(fc.tuple(fc.nat(200), fc.nat(30)), { maxLength: 4 });
  const numbers = fc.record({
    connections: fc.integer({ min: 1, max: 6 }),
    least: fc.integer({ min: 1, max: 30 }),
  });
  fc.assert(
    fc.property(
      total,
      there,
      numbers,
      fc.array(step, { maxLength: 60 }),
      (total, there, numbers, steps) => {
        const model = new Model(total, there, numbers.connections, numbers.least);
        for (const step of steps) {
          if (step.act === "next") model.next();
          else model[step.act](step.which, step.count);
          model.check();
        }
        model.finish();
      },
    ),
  );
});

/** A file whose bytes are counted one by one. */
class Model {
  /** How often each byte was written. */
  #writes: number[];
  #pieces: Pieces;
  #active: { piece: Piece; at: number; claimed: number }[] = [];

  constructor(total: number, there: [number, number][], connections: number, least: number) {
    const spans = there
      .map(([start, size]): Span => [Math.min(start, total), Math.min(start + size, total)]);
    this.#writes = new Array(total).fill(0);
    for (const [start, end] of spans) this.#writes.fill(1, start, end);
    this.#pieces = new Pieces(total, connections, spans, least);
  }

  next() {
    const piece = this.#pieces.next();
    if (piece) this.#active.push({ piece, at: piece.start, claimed: piece.start });
    return piece;
  }

  claim(which: number, count: number) {
    const one = this.#active[which % this.#active.length];
    if (!one) return;
    const taken = one.piece.claim(count);
    assert(taken <= count);
    one.claimed += taken;
  }

  write(which: number, count: number) {
    const one = this.#active[which % this.#active.length];
    if (!one) return;
    const written = Math.min(count, one.claimed - one.at);
    for (let n = 0; n < written; n++) this.#writes[one.at++]!++;
    one.piece.wrote(written);
  }

  release(which: number) {
    const [one] = this.#active.splice(which % Math.max(1, this.#active.length), 1);
    if (one) this.#pieces.release(one.piece);
  }

  check() {
    const { ranges, bytes } = this.#pieces;
    const listed = new Array(this.#writes.length).fill(0);
    for (const [start, end] of ranges) listed.fill(1, start, end);
    assertEquals(listed, this.#writes); // so none is written twice either
    assert(ranges.every(([start, end], at) => start < end && start > (ranges[at - 1]?.[1] ?? -1)));
    assertEquals(bytes, this.#writes.filter(Boolean).length);
    for (const { piece, at, claimed } of this.#active) {
      const [start, end] = piece.missing;
      assertEquals(start, at);
      assert(at <= claimed && claimed <= end && end <= this.#writes.length);
      for (let byte = start; byte < end; byte++) assertEquals(listed[byte]++, 0);
    }
  }

  /** Lets all connections fetch what they have, until nothing is left. */
  finish() {
    for (let turn = 0; !this.#pieces.complete; turn++) {
      assert(turn < 1000, "it goes on for ever");
      if (this.#active.length === 0) assert(this.next(), "the rest is given to nobody");
      this.claim(0, Infinity);
      this.write(0, Infinity);
      this.release(0);
      this.check();
    }
    assert(this.#writes.every((count) => count === 1));
  }
}

/** How many turns it takes if a connection gets so many bytes a turn, and one to connect. */
function turns(total: number, speeds: number[], least: number): number {
  const pieces = new Pieces(total, speeds.length, [], least);
  const connections = speeds.map((speed) => ({ speed, piece: undefined as Piece | undefined }));
  for (let turn = 0;; turn++) {
    if (pieces.complete) return turn;
    for (const connection of connections) {
      const { piece, speed } = connection;
      if (!piece) connection.piece = pieces.next();
      else {
        piece.wrote(piece.claim(speed));
        if (piece.left > 0) continue;
        pieces.release(piece);
        connection.piece = undefined;
      }
    }
  }
}

Deno.test("Pieces are fetched by four equal connections in a quarter of the time", () => {
  assertEquals(turns(400_000, [100, 100, 100, 100], 1000), 1001);
});

Deno.test("Pieces let no slow connection hold up the end", () => {
  const speeds = fc.array(fc.integer({ min: 10, max: 100 }), { minLength: 1, maxLength: 16 });
  fc.assert(
    fc.property(speeds, (speeds) => {
      const best = 1_000_000 / speeds.reduce((sum, speed) => sum + speed);
      const least = 1000;
      // the slowest may have two of the least pieces left when nothing is halved any more
      const most = 1.1 * best + 2 * least / Math.min(...speeds) + 20;
      const took = turns(1_000_000, speeds, least);
      assert(took <= most, `${took} turns, ${best} at best`);
    }),
    { numRuns: rounds(120) },
  );
});
