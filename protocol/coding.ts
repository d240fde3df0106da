/**
 * Undoing codings of a body: gzip, deflate, br, zstd (RFC 9110 section 8.4).
 *
 * @module
 */
import { EXIT, readUntilEof, type Source, systemReason, TrioError } from "../mod.ts";
import { ZstdFrame } from "./zstd.ts";

type Chunks = AsyncIterable<Uint8Array<ArrayBuffer>>;

/** With a byte more, which the decoder of br takes only if the stream was cut short before it. */
async function* marked(chunks: Chunks): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  yield* chunks;
  yield new Uint8Array(1);
}

/** What node:zlib has for a coding; the first byte tells the two forms of deflate apart. */
async function makeDecoder(coding: string, firstByte: number) {
  // node:zlib takes a third of the time of DecompressionStream, its memory stays flat whatever
  // comes, and it knows gzip streams of several members. Loading it costs 12 ms: not before.
  const zlib = await import("node:zlib");
  const makers: Record<string, typeof zlib.createGunzip> = {
    br: zlib.createBrotliDecompress as typeof zlib.createGunzip,
    zstd: zlib.createZstdDecompress as typeof zlib.createGunzip,
    // "deflate" means zlib (RFC 1950), but some servers send it raw (RFC 1951)
    deflate: (firstByte & 15) === 8 ? zlib.createInflate : zlib.createInflateRaw,
  };
  return (makers[coding] ?? zlib.createGunzip)({ chunkSize: 1024 * 1024 });
}

/** Undoes one coding. An empty body stays empty, as with curl. */
async function* decode(body: Chunks, coding: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const bad = (why: string) => new TrioError(EXIT.encoding, `bad ${coding} data: ${why}`);
  const iterator = body[Symbol.asyncIterator]();
  // a body of zstd may be several frames (RFC 8878 section 3.1), of which the decoder takes one
  for (let next = await iterator.next(); !next.done;) {
    const frame = coding === "zstd" ? new ZstdFrame() : undefined;
    let fed = 0, failure: unknown;
    const whole = async function* () {
      while (!next.done && !frame?.isComplete) {
        const { value } = next, n = frame ? frame.take(value) : value.length;
        fed += n;
        if (n > 0) yield value.subarray(0, n);
        if (n < value.length) next.value = value.subarray(n);
        else {
          next = await iterator.next().catch((error) => {
            throw failure = error;
          });
        }
      }
    };
    const { pipeline, Readable } = await import("node:stream");
    const decoder = await makeDecoder(coding, next.value[0]!);
    const input = Readable.from(coding === "br" ? marked(whole()) : whole(), { objectMode: false });
    try {
      yield* pipeline(input, decoder, () => {}); // an error of any stage comes through the last
    } catch (error) {
      throw failure ?? bad(systemReason(error));
    }
    const { bytesWritten: used } = decoder;
    if (used > fed || frame?.isComplete === false) throw bad("unexpected end of file");
    if (used < fed) throw bad("data behind its end");
  }
}

/**
 * A source of what `source` gives with `codings` undone, the last one first. Memory stays flat
 * whatever comes.
 *
 * @throws {TrioError} from `read`, with code 61 for bad data; other errors of `source` as they are.
 */
export function decoded(source: Source, codings: readonly string[]): Source {
  const chunks = codings.reduceRight<Chunks>(decode, readUntilEof(source));
  const iterator = chunks[Symbol.asyncIterator]();
  let left: Uint8Array<ArrayBuffer> = new Uint8Array();
  return {
    async read(p) {
      while (left.length === 0) {
        const { done, value } = await iterator.next();
        if (done) return null;
        left = value;
      }
      const n = Math.min(left.length, p.length);
      p.set(left.subarray(0, n));
      left = left.subarray(n);
      // the decoder takes a new buffer when one is full: this one is freed now, not some time
      const { buffer, byteOffset } = left;
      if (left.length === 0 && byteOffset === buffer.byteLength) buffer.transfer(0);
      return n;
    },
  };
}
