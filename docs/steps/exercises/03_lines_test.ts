import { deepEqual, throws } from "node:assert/strict";
import { Lines } from "./03_lines.ts";

const bytes = new TextEncoder().encode("Ada\r\nBob\n\n小明\nnot yet");

Deno.test("Lines gives the same lines for each way to cut the bytes in three", () => {
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second++) {
      const lines = new Lines(10);
      const parts = [bytes.slice(0, first), bytes.slice(first, second), bytes.slice(second)];
      const given = parts.flatMap((part) => lines.feed(part));
      deepEqual(given, ["Ada", "Bob", "", "小明"], `cut at ${first} and ${second}`);
    }
  }
});

Deno.test("Lines keeps nothing of the buffer it was fed", () => {
  const lines = new Lines(10), buffer = new TextEncoder().encode("Ad");
  lines.feed(buffer);
  buffer.fill(0); // the next read will write here
  deepEqual(lines.feed(new TextEncoder().encode("a\n")), ["Ada"]);
});

Deno.test("Lines refuses a line that is too long, before its end has come", () => {
  const lines = new Lines(10), longest = "x".repeat(10);
  deepEqual(lines.feed(new TextEncoder().encode(`${longest}\r\n`)), [longest]);
  lines.feed(new TextEncoder().encode(longest));
  throws(() => lines.feed(new Uint8Array(1).fill(120)), RangeError);
});
