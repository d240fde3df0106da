import { deepEqual, equal } from "node:assert/strict";
import { writeAll } from "./01_write_all.ts";

/** Takes at most `most` bytes a write, as a full send buffer does. */
function narrow(most: number) {
  const taken: number[] = [];
  let writes = 0;
  return {
    taken,
    get writes() {
      return writes;
    },
    write(bytes: Uint8Array) {
      writes++;
      taken.push(...bytes.subarray(0, most));
      return Promise.resolve(Math.min(most, bytes.length));
    },
  };
}

Deno.test("writeAll writes all bytes, in order, whatever each write takes", async () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, n) => n);
  for (const most of [1, 7, 99, 100, 1000]) {
    const sink = narrow(most);
    await writeAll(sink, bytes);
    deepEqual(sink.taken, [...bytes], `at most ${most} bytes a write`);
    equal(sink.writes, Math.ceil(100 / most));
  }
});

Deno.test("writeAll passes on the error of a write", async () => {
  const broken = { write: () => Promise.reject(new Error("broken")) };
  const error = await writeAll(broken, new Uint8Array(1)).catch((error: Error) => error);
  equal(error?.message, "broken");
});
