/**
 * How far downloads are, and where their time went, in so many columns.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { grouped, progressText, sumOf, timingText } from "../../protocol/progress.ts";
import { fc } from "../support/fuzz.ts";

/** The columns that text takes: two for each Chinese character. */
function width(text: string): number {
  return [...text].reduce((sum, char) => sum + (/[\u2e80-\u9fff]/.test(char) ? 2 : 1), 0);
}

const MIB = 1024 * 1024;

Deno.test("progressText shows share, speed and time left, and a bar where there is room", () => {
  const some = { bytes: 3 * MIB, resumed: MIB, total: 4 * MIB };
  const text = progressText("f", some, 2, 50, width);
  assertEquals(text, "f [===============      ]  75%   1.0 MiB/s    0:01");
  assertEquals(progressText("f", some, 2, 30, width), "f  75%   1.0 MiB/s    0:01");
  const long = progressText("n".repeat(60), some, 2, 50, width);
  assertEquals(long, "nnnnnnnnnnn… [=======   ]  75%   1.0 MiB/s    0:01");
  const nearly = { bytes: 999, resumed: 0, total: 1000 };
  assertMatch(progressText("f", nearly, 1, 50, width), / 99% /);
});

Deno.test("progressText shows how much came where nobody knows of how much", () => {
  assertEquals(
    progressText("f", { bytes: 1536, resumed: 0 }, 1, 80, width),
    "f 1.5 KiB   1.5 KiB/s",
  );
  assertMatch(progressText("f", { bytes: 2 ** 51, resumed: 0 }, 1, 80, width), /^f 2048\.0 TiB /);
});

Deno.test("progressText says nothing of a time left that nobody waits for", () => {
  const day = { bytes: 1, resumed: 0, total: 1 + 24 * 3600 };
  assertMatch(progressText("f", day, 1, 80, width), / 1 B\/s$/);
  assertMatch(progressText("f", { ...day, total: 3601 }, 1, 80, width), / 1 B\/s +01:00:00$/);
  assertMatch(progressText("f", { ...day, total: 24 * 3600 }, 1, 80, width), / +23:59:59$/);
});

Deno.test("progressText shows no more than 100 %", () => {
  const text = progressText(
    "f",
    { bytes: 6 * MIB, resumed: 6 * MIB, total: 4 * MIB },
    2,
    50,
    width,
  );
  assertEquals(text, "f [=============================] 100%       0 B/s");
});

Deno.test("progressText is never wider than the terminal", () => {
  const name = fc.array(fc.constantFrom(..."abc.你好世界"), { maxLength: 60 });
  const amount = fc.double({ min: 0, max: 1e15, noNaN: true }).map(Math.floor);
  const progress = fc.record({ bytes: amount, resumed: amount, total: fc.option(amount) });
  const columns = fc.integer({ min: 10, max: 200 });
  const elapsed = fc.double({ min: 0, max: 1e7, noNaN: true });
  fc.assert(
    fc.property(name, progress, elapsed, columns, (name, { bytes, resumed, total }, ...rest) => {
      const all = Math.max(bytes, resumed);
      const some = { bytes: all, resumed: Math.min(bytes, resumed), total: total ?? undefined };
      if (total !== null) some.bytes = Math.min(all, total);
      some.resumed = Math.min(some.resumed, some.bytes);
      const text = progressText(name.join(""), some, ...rest, width);
      assert(width(text) <= rest[1], text);
      assert(!/NaN|Infinity|undefined|-\d/.test(text), text);
    }),
  );
});

Deno.test("sumOf adds up, and knows the total only if it knows all", () => {
  const one = { bytes: 1, resumed: 2, total: 3 };
  assertEquals(sumOf([one, one]), { bytes: 2, resumed: 4, total: 6 });
  assertEquals(sumOf([one, { bytes: 1, resumed: 0 }]), { bytes: 2, resumed: 2, total: undefined });
});

Deno.test("grouped sets a comma between thousands", () => {
  const shown = [0, 999, 1000, 1234567, 1e15].map(grouped);
  assertEquals(shown, ["0", "999", "1,000", "1,234,567", "1,000,000,000,000,000"]);
});

Deno.test("timingText draws the longest of all phases in full, the others beside it", () => {
  const hop = { url: "http://a\x1b/", lookup: null, tcp: 10, tls: 0, wait: 20, transfer: 40 };
  const lines = timingText([hop, { ...hop, lookup: 1, transfer: 20 }]).split("\n");
  assertEquals(lines.length, 12);
  assertEquals(lines[0], "http://a\\x1b/");
  assertMatch(lines[1]!, /^ {2}name lookup +\? ms$/);
  assertEquals(lines[5]!.match(/#*$/)![0].length, 40);
  assertEquals(lines[11]!.match(/#*$/)![0].length, 20);
  assertEquals(lines[3]!, "  TLS               0.0 ms");
});
