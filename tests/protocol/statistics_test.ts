/**
 * Figures and pictures of reply times.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { histogram, statistics } from "../../protocol/statistics.ts";
import { fc } from "../support/fuzz.ts";

Deno.test("statistics are those of the sorted times, and NaN without any", () => {
  const times = Array.from({ length: 200 }, (_, i) => 200 - i);
  assertEquals(statistics(times), {
    min: 1,
    avg: 100.5,
    max: 200,
    stddev: 57.734,
    p50: 100,
    p99: 198,
  });
  assertEquals(statistics([3]), { min: 3, avg: 3, max: 3, stddev: 0, p50: 3, p99: 3 });
  assert(Object.values(statistics([])).every(Number.isNaN));
});

Deno.test("histogram has round steps, and one row for what is slower", () => {
  const times = Array.from({ length: 199 }, (_, i) => 1 + i % 4 / 10);
  assertEquals(histogram([...times, 50]), [
    "  1.00 to 1.05 ms 50 ########################################",
    "  1.05 to 1.10 ms  0",
    "  1.10 to 1.15 ms 50 ########################################",
    "  1.15 to 1.20 ms  0",
    "  1.20 to 1.25 ms 50 ########################################",
    "  1.25 to 1.30 ms  0",
    "  1.30 to 1.35 ms 49 ########################################",
    "  1.35 ms or more  1 #",
  ]);
  assertEquals(histogram([]), []);
  assertEquals(histogram([1000]), [`  1000.000 to 1000.001 ms 1 ${"#".repeat(40)}`]);
});

Deno.test("histogram counts each time once, in at most eleven rows", () => {
  const time = fc.double({ min: 0, max: 1e6, noNaN: true });
  fc.assert(fc.property(fc.array(time, { minLength: 1, maxLength: 300 }), (times) => {
    const rows = histogram(times);
    assert(rows.length <= 11, rows.join("\n"));
    const counts = rows.map((row) => Number(row.match(/(?:ms|more) +(\d+)(?: #+)?$/)?.[1]));
    assertEquals(counts.reduce((sum, count) => sum + count, 0), times.length, rows.join("\n"));
    assert(rows.every((row, at) => row.endsWith("#") === counts[at]! > 0));
    assert(counts[0]! > 0 && counts.at(-1)! > 0, "an empty row at an end");
  }));
});
