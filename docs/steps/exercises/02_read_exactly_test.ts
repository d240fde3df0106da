import { deepEqual, match } from "node:assert/strict";
import { readExactly } from "./02_read_exactly.ts";

/** Gives at most `most` bytes a read, then EOF. */
function source(bytes: number[], most: number) {
  const rest = [...bytes];
  return {
    rest,
    read(buffer: Uint8Array) {
      if (rest.length === 0) return Promise.resolve(null);
      const part = rest.splice(0, Math.min(most, buffer.length));
      buffer.set(part);
      return Promise.resolve(part.length);
    },
  };
}

Deno.test("readExactly gives the bytes, however many each read gives", async () => {
  for (const most of [1, 2, 3, 100]) {
    const from = source([1, 2, 3, 4, 5, 6, 7], most);
    deepEqual([...await readExactly(from, 5)], [1, 2, 3, 4, 5]);
    deepEqual(from.rest, [6, 7], "the bytes behind are for who reads next");
  }
});

Deno.test("readExactly of no bytes reads nothing", async () => {
  deepEqual([...await readExactly(source([1], 1), 0)], []);
});

Deno.test("readExactly says how many bytes came before EOF", async () => {
  const error = await readExactly(source([1, 2], 1), 5).catch((error: Error) => error);
  match(String(error), /2 of 5 bytes/);
});
