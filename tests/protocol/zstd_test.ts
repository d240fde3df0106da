/**
 * Frames of zstd as the runtime makes them, and their ends.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "jsr:@std/assert@^1.0.0";
import zlib from "node:zlib";
import { ZstdFrame } from "../../protocol/zstd.ts";
import { joined, noise } from "../support/bytes.ts";

const { ZSTD_c_checksumFlag, ZSTD_c_contentSizeFlag } = zlib.constants;

const CONTENTS: Record<string, Uint8Array> = {
  "nothing": new Uint8Array(),
  "a byte": noise(1),
  "some bytes": noise(300),
  "many bytes": noise(400_000),
  "one byte again and again": new Uint8Array(1_000_000),
  "a text": new TextEncoder().encode("hello world ".repeat(40_000)),
};

for (const [what, content] of Object.entries(CONTENTS)) {
  Deno.test(`ZstdFrame finds the end of a frame of ${what}, however it is cut`, () => {
    for (const flags of [[0, 0], [0, 1], [1, 0], [1, 1]] as const) {
      const params = { [ZSTD_c_checksumFlag!]: flags[0], [ZSTD_c_contentSizeFlag!]: flags[1] };
      const coded = zlib.zstdCompressSync(content, { params });
      for (const piece of [1, 7, 1000, Infinity]) {
        const frame = new ZstdFrame();
        for (let at = 0; at < coded.length; at += piece) {
          assert(!frame.isComplete, `at ${at} of ${coded.length}`);
          const part = coded.subarray(at, at + piece);
          assert(frame.take(part) === part.length, `at ${at} of ${coded.length}`);
        }
        assertEquals(frame.isComplete, true);
        assertEquals(frame.take(coded), 0, "what follows is not the frame's");
      }
      const frame = new ZstdFrame();
      assertEquals(frame.take(joined(coded, "garbage")), coded.length);
    }
  });
}

Deno.test("ZstdFrame skips frames without content, as pzstd writes them", () => {
  for (const size of [0, 4, 300]) {
    for (const kind of [0x50, 0x5f]) {
      const head = [kind, 0x2a, 0x4d, 0x18, size % 256, size >> 8, 0, 0];
      const bytes = joined(Uint8Array.from(head), noise(size), "next");
      const frame = new ZstdFrame();
      assertEquals([frame.take(bytes), frame.isComplete], [8 + size, true]);
    }
  }
});

Deno.test("ZstdFrame passes over the number of a dictionary, of 0, 1, 2 or 4 bytes", () => {
  for (const [flag, size] of [0, 1, 2, 4].entries()) {
    // one segment of no content, and one block, the last, of no bytes
    const start = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20 | flag);
    const bytes = joined(start, new Uint8Array(size).fill(7), Uint8Array.of(0, 1, 0, 0), "next");
    const frame = new ZstdFrame();
    assertEquals([frame.take(bytes), frame.isComplete], [9 + size, true]);
  }
});

Deno.test("ZstdFrame refuses what does not begin as one", () => {
  for (const bytes of [noise(10), new Uint8Array(4), joined("PK\x03\x04")]) {
    assertThrows(() => new ZstdFrame().take(bytes), Error, "no frame begins there");
  }
});
