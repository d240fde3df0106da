/**
 * Undoing codings of a body: gzip, deflate, br, zstd (RFC 9110 section 8.4).
 *
 * @module
 */
import { EXIT, readUntilEof, type Source, systemReason, TrioError } from "../mod.ts";

type Chunks = AsyncIterable<Uint8Array<ArrayBuffer>>;

/** Codings whose decoders do not tell a stream that was cut short from a complete one. */
const MARKED = ["br", "zstd"];

/** With a byte more, which a decoder takes only if the stream was cut short before it. */
async function* marked(chunks: Chunks, coding: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  // zstd takes no other write behind its end: the byte goes with the last chunk, which waits
  let last: Uint8Array<ArrayBuffer> = new Uint8Array();
  for await (const chunk of chunks) {
    if (last.length > 0) yield last;
    if (coding === "zstd") last = chunk;
    else yield chunk;
  }
  const longer = new Uint8Array(last.length + 1);
  longer.set(last);
  yield longer;
}

/** Undoes one coding. An empty body stays empty, as with curl. */
async function* decode(body: Chunks, coding: string): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const iterator = body[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done) return;
  const bad = (why: string) => new TrioError(EXIT.encoding, `bad ${coding} data: ${why}`);
  let fed = 0, failure: unknown;
  const whole = async function* () {
    for (let next: IteratorResult<Uint8Array<ArrayBuffer>> = first; !next.done;) {
      fed += next.value.length;
      yield next.value;
      next = await iterator.next().catch((error) => {
        throw failure = error;
      });
    }
  };
  // node:zlib takes a third of the time of DecompressionStream, its memory stays flat whatever
  // comes, and it knows gzip streams of several members. Loading it costs 12 ms: not before.
  const { pipeline, Readable } = await import("node:stream");
  const zlib = await import("node:zlib");
  const makers: Record<string, typeof zlib.createGunzip> = {
    br: zlib.createBrotliDecompress as typeof zlib.createGunzip,
    zstd: zlib.createZstdDecompress as typeof zlib.createGunzip,
    // "deflate" means zlib (RFC 1950), but some servers send it raw (RFC 1951)
    deflate: (first.value[0]! & 15) === 8 ? zlib.createInflate : zlib.createInflateRaw,
  };
  const decoder = (makers[coding] ?? zlib.createGunzip)({ chunkSize: 1024 * 1024 });
  try {
    // an error of any stage reaches the reader through the last one
    yield* pipeline(
      Readable.from(MARKED.includes(coding) ? marked(whole(), coding) : whole(), {
        objectMode: false,
      }),
      decoder,
      () => {},
    );
  } catch (error) {
    throw failure ?? bad(systemReason(error));
  }
  const { bytesWritten: used } = decoder;
  if (used !== fed) throw bad(used > fed ? "unexpected end of file" : "data behind its end");
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
