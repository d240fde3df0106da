/**
 * The limit of bytes a second, in a time of its own: not above it, not below, for all together.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { RateLimit } from "../../protocol/rate.ts";
import { fc } from "../support/fuzz.ts";

interface Read {
  at: number;
  bytes: number;
}

/** When so many connections, which always have bytes, take how many, until `end`. */
function taken(
  limit: RateLimit,
  connections: number,
  end: number,
): { at: number; bytes: number }[] {
  const next = new Array(connections).fill(0), all: { at: number; bytes: number }[] = [];
  for (;;) {
    const at = Math.min(...next);
    if (at >= end) return all;
    all.push({ at, bytes: limit.most });
    next[next.indexOf(at)] = at + limit.take(limit.most, at);
  }
}

const rates = fc.integer({ min: 10, max: 100_000_000 });

Deno.test("RateLimit lets no time have more than its bytes and a burst", () => {
  fc.assert(
    fc.property(rates, fc.integer({ min: 1, max: 16 }), (rate, connections) => {
      const limit = new RateLimit(rate);
      const all = taken(limit, connections, 3000);
      for (let first = 0; first < all.length; first++) {
        let bytes = 0;
        for (let last = first; last < all.length; last++) {
          bytes += all[last]!.bytes;
          const seconds = (all[last]!.at - all[first]!.at) / 1000;
          const most = rate * (seconds + 0.1) + connections * limit.most;
          assert(bytes <= most * 1.000001, `${bytes} of ${most} in ${seconds} s`);
        }
      }
    }),
    { numRuns: 30 },
  );
});

Deno.test("RateLimit uses all of the limit, however many connections share it", () => {
  fc.assert(fc.property(rates, fc.integer({ min: 1, max: 16 }), (rate, connections) => {
    const bytes = taken(new RateLimit(rate), connections, 10_000)
      .reduce((sum, { bytes }) => sum + bytes, 0);
    assert(bytes >= rate * 10, `${bytes} bytes in 10 s at ${rate} a second`);
  }));
});

Deno.test("RateLimit does not make up for a pause", () => {
  const limit = new RateLimit(1000);
  limit.take(1000, 0);
  // a tenth of a second's bytes after an hour, as at the beginning
  assertEquals(limit.take(100, 3_600_000), 0);
  assertEquals(limit.take(100, 3_600_000), 100);
});

Deno.test("RateLimit makes a small file wait for what came before it", () => {
  const limit = new RateLimit(1000);
  const waits = Array.from({ length: 5 }, () => Math.round(limit.take(300, 0)));
  assertEquals(waits, [200, 500, 800, 1100, 1400]);
});

Deno.test("RateLimit asks for reads that are small enough to be even", () => {
  assertEquals(new RateLimit(1000).most, 100);
  assertEquals(new RateLimit(1).most, 1);
  assertEquals(new RateLimit(0.5).most, 1);
  assertEquals(new RateLimit(0.5).take(1, 0), 1900);
});

Deno.test("RateLimit without a limit never waits", () => {
  const limit = new RateLimit(Infinity);
  assertEquals(limit.most, Infinity);
  for (const now of [0, 0, 1, 1000]) assertEquals(limit.take(1e12, now), 0);
});
