/**
 * Undoing codings: of any source, whatever its reads are.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "jsr:@std/assert@^1.0.0";
import zlib from "node:zlib";
import { EXIT, readUntilEof, type Source, TrioError } from "../../mod.ts";
import { decoded } from "../../protocol/coding.ts";
import { isSame, joined, noise } from "../support/bytes.ts";

const TEXT = noise(200_000);

const QUICKLY = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } };

const CODERS: Record<string, (bytes: Uint8Array) => Uint8Array> = {
  gzip: (bytes) => zlib.gzipSync(bytes),
  deflate: (bytes) => zlib.deflateSync(bytes),
  br: (bytes) => zlib.brotliCompressSync(bytes, QUICKLY),
  zstd: (bytes) => zlib.zstdCompressSync(bytes),
};

/** A source whose reads give `piece` bytes, and that ends with `error` if there is one. */
function source(bytes: Uint8Array, piece: number, error?: Error): Source {
  let at = 0;
  return {
    read(p) {
      if (at === bytes.length) return error ? Promise.reject(error) : Promise.resolve(null);
      const n = Math.min(piece, p.length, bytes.length - at);
      p.set(bytes.subarray(at, at += n));
      return Promise.resolve(n);
    },
  };
}

async function all(source: Source): Promise<Uint8Array> {
  return joined(...await Array.fromAsync(readUntilEof(source)));
}

for (const [coding, coder] of Object.entries(CODERS)) {
  Deno.test(`decoded undoes ${coding}, however it is cut into reads`, async () => {
    const coded = coder(TEXT);
    for (const piece of [1000, 65_536]) {
      assert(isSame(await all(decoded(source(coded, piece), [coding])), TEXT));
    }
    const few = coder(TEXT.subarray(0, 5));
    assertEquals(await all(decoded(source(few, 1), [coding])), TEXT.slice(0, 5));
  });

  Deno.test(`decoded finds ${coding} cut short, damaged, or with something behind it`, async () => {
    const coded = coder(TEXT.subarray(0, 50_000));
    const cases = {
      "cut in the middle": coded.subarray(0, 20_000),
      "without its last byte": coded.subarray(0, -1),
      "no such data": noise(1000, 7),
      "something behind it": joined(coded, "garbage"),
    };
    for (const [what, bytes] of Object.entries(cases)) {
      const error = await assertRejects(
        () => all(decoded(source(bytes, 9000), [coding])),
        TrioError,
      );
      assertEquals(error.code, EXIT.encoding, `${what}: ${error.message}`);
    }
  });

  Deno.test(`decoded hands on what the source of ${coding} fails with`, async () => {
    const failure = new Error("it broke");
    const broken = source(coder(TEXT).subarray(0, 20_000), 5000, failure);
    assertEquals(await assertRejects(() => all(decoded(broken, [coding])), Error), failure);
  });

  Deno.test(`decoded leaves an empty body of ${coding} empty, as curl does`, async () => {
    assertEquals(await all(decoded(source(new Uint8Array(), 1), [coding])), new Uint8Array());
  });
}

Deno.test("decoded undoes zstd of several frames, as gzip of several members", async () => {
  for (const coding of ["zstd", "gzip"]) {
    const parts = [TEXT.subarray(0, 70_000), new Uint8Array(), TEXT.subarray(70_000)];
    const coded = joined(...parts.map((part) => CODERS[coding]!(part)));
    for (const piece of [1000, 65_536]) {
      assert(isSame(await all(decoded(source(coded, piece), [coding])), TEXT), coding);
    }
  }
});

Deno.test("decoded undoes the last coding first", async () => {
  const coded = CODERS.zstd!(CODERS.br!(CODERS.gzip!(TEXT)));
  assert(isSame(await all(decoded(source(coded, 5000), ["gzip", "br", "zstd"])), TEXT));
});

for (const coding of ["gzip", "deflate", "br", "zstd"]) {
  Deno.test(`decoded gives what came of ${coding} before more comes`, async () => {
    const never = Promise.withResolvers<null>(), coded = CODERS[coding]!(TEXT.subarray(0, 999));
    let reads = 0;
    const live: Source = {
      read(p) {
        if (reads++ > 0) return never.promise;
        p.set(coded);
        return Promise.resolve(coded.length);
      },
    };
    const decoder = decoded(live, [coding]), p = new Uint8Array(2000);
    assertEquals(await decoder.read(p), 999);
    assert(isSame(p.subarray(0, 999), TEXT.subarray(0, 999)));
    never.resolve(null);
    assertEquals(await decoder.read(p), null);
  });
}
