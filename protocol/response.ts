/**
 * The response of HTTP/1.1: its framing and its body. Bytes go in, in any pieces; the head and the
 * body's bytes come out (RFC 9112 sections 6 to 8).
 *
 * @module
 */
import { EXIT, TransientError } from "../mod.ts";
import {
  byteString,
  checkCodings,
  codingsIn,
  cutShort,
  type Head,
  malformed,
  membersOf,
  parseHead,
} from "./head.ts";

/** The most bytes of all heads of one response: curl's limit. */
const HEAD_LIMIT = 300 * 1024;
/** The most bytes of a chunk's line, or of all trailers. */
const CHUNK_LINE_LIMIT = 16 * 1024;

const LF = 10;
const CR = 13;

// --- The framing -------------------------------------------------------------

/** How the end of a body is found, and the codings to undo, outermost last. */
export interface Framing {
  /** What frames it. */
  kind: "none" | "chunked" | "length" | "eof";
  /** The length in bytes, if that frames it. */
  length: number;
  /** The transfer codings other than chunked. */
  codings: string[];
}

/**
 * Decides how the body is framed, in the order of RFC 9112 section 6.3.
 *
 * @throws {TrioError} with code 8 for a bad Content-Length, 61 for an unknown transfer coding.
 */
export function framing(method: string, head: Head): Framing {
  const none: Framing = { kind: "none", length: 0, codings: [] };
  const { status } = head;
  // 1. no body, whatever the fields say
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return none;
  // 2. CONNECT: a tunnel follows
  if (method === "CONNECT" && status < 300) return none;
  // 3. and 4. Transfer-Encoding overrides Content-Length
  const named = codingsIn(head, "transfer-encoding");
  if (named.length > 0) {
    const chunked = named.at(-1) === "chunked";
    // some servers behind proxies say it twice, and mean it once
    while (named.at(-1) === "chunked") named.pop();
    checkCodings(named, ["gzip", "x-gzip", "deflate"]);
    return { kind: chunked ? "chunked" : "eof", length: 0, codings: named };
  }
  // 5. and 6. Content-Length, all members equal
  const lengths = membersOf(head, "content-length");
  if (lengths.length > 0) {
    const length = Number(lengths[0]);
    const right = (text: string) => /^\d+$/.test(text) && Number(text) === length;
    if (!lengths.every(right) || !Number.isSafeInteger(length)) {
      throw malformed(`Content-Length: ${lengths.join(", ")}`);
    }
    return { kind: "length", length, codings: [] };
  }
  // 8. until the connection is closed
  return { kind: "eof", length: 0, codings: [] };
}

// --- The bodies --------------------------------------------------------------

/**
 * Takes the framing off a body, in place. The contract of all three:
 *
 * - `take` moves the body's bytes among `buffer[start, end)` to `start` and returns how many there
 *   are. Any split of the input gives the same body. It throws if the framing is malformed.
 * - Once `done`, the body is complete and nothing more is taken.
 * - `eof` says that the connection ended before that; `clean` is false for a TLS stream without
 *   close_notify. It throws if that cuts the body short, else the body is done.
 */
interface BodyReader {
  readonly done: boolean;
  take(buffer: Uint8Array, start: number, end: number): number;
  eof(clean: boolean): void;
}

class LengthReader implements BodyReader {
  #missing: number;
  constructor(readonly length: number) {
    this.#missing = length;
  }
  get done() {
    return this.#missing === 0;
  }
  take(_buffer: Uint8Array, start: number, end: number) {
    const taken = Math.min(end - start, this.#missing);
    this.#missing -= taken;
    return taken;
  }
  eof() {
    const received = this.length - this.#missing;
    throw cutShort(`received ${received} bytes, expected ${this.length}`);
  }
}

class EofReader implements BodyReader {
  done = false;
  take(_buffer: Uint8Array, start: number, end: number) {
    return end - start;
  }
  eof(clean: boolean) {
    if (!clean) throw cutShort("TLS ended without close_notify");
    this.done = true;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const letter = byte | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

/**
 * The chunked coding (RFC 9112 section 7.1); any CRLF may be a bare LF, extensions and trailers
 * are dropped:
 *
 *     chunked-body = *chunk last-chunk trailer-section CRLF
 *     chunk        = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
 *
 *     "2\r\nHi\r\n0\r\n\r\n"     → "Hi"
 *     "02;a=b\nHi\n0\n\n"        → "Hi"
 *     "2\r\nHi!"                 → error: no line end behind a chunk
 *     "g\r\n"                    → error: a chunk without size
 */
class ChunkedReader implements BodyReader {
  /** What the next byte belongs to. */
  #next: "size" | "size digit" | "extension" | "data" | "data end" | "trailer" | "trailer line" =
    "size";
  /** The size of this chunk so far; of its data, what is still to come. */
  #missing = 0;
  /** Bytes of this chunk's line, or of all trailers. */
  #line = 0;
  /** Whether the byte before was a CR, which only an LF may follow. */
  #cr = false;
  done = false;

  take(buffer: Uint8Array, start: number, end: number) {
    let kept = start;
    for (let at = start; at < end && !this.done;) {
      if (this.#next === "data") {
        const size = Math.min(this.#missing, end - at);
        if (kept !== at) buffer.copyWithin(kept, at, at + size);
        kept += size;
        at += size;
        this.#missing -= size;
        if (this.#missing === 0) this.#next = "data end";
      } else {
        this.#takeFrame(buffer[at++]!);
      }
    }
    return kept - start;
  }

  #takeFrame(byte: number) {
    const trailer = this.#next === "trailer" || this.#next === "trailer line";
    if (byte === 0 && trailer) throw malformed("NUL in a trailer");
    if (this.#cr && byte !== LF && !trailer) throw malformed("a CR alone in a chunk");
    this.#cr = byte === CR;
    if (++this.#line > CHUNK_LINE_LIMIT) {
      throw malformed(trailer ? "trailers without end" : "a chunk's line without end");
    }
    switch (this.#next) {
      case "size":
      case "size digit": {
        const digit = hexDigit(byte);
        if (digit >= 0) return this.#takeDigit(digit);
        if (this.#next === "size") throw malformed("a chunk without size");
        if (!";\t \r\n".includes(String.fromCharCode(byte))) {
          throw malformed("a chunk size that is no hex number");
        }
        this.#next = "extension";
        if (byte === LF) this.#endLine();
        return;
      }
      case "extension":
        if (byte === LF) this.#endLine();
        return;
      case "data end":
        if (byte === LF) this.#next = "size";
        else if (byte !== CR) throw malformed("no line end behind a chunk");
        return;
      case "trailer":
        if (byte === LF) this.done = true;
        else if (byte !== CR) this.#next = "trailer line";
        return;
      case "trailer line":
        if (byte === LF) this.#next = "trailer";
    }
  }

  #takeDigit(digit: number) {
    this.#next = "size digit";
    this.#missing = this.#missing * 16 + digit;
    if (!Number.isSafeInteger(this.#missing)) throw malformed("a chunk size too large");
  }

  #endLine() {
    this.#next = this.#missing > 0 ? "data" : "trailer";
    this.#line = 0;
  }

  eof() {
    throw cutShort(
      this.#next === "data"
        ? `${this.#missing} bytes of a chunk are missing`
        : "the last chunk is missing",
    );
  }
}

/** Which reader serves which framing. */
const BODY_READERS: Record<Framing["kind"], (length: number) => BodyReader> = {
  none: () => new LengthReader(0),
  length: (length) => new LengthReader(length),
  chunked: () => new ChunkedReader(),
  eof: () => new EofReader(),
};

// --- The whole response ------------------------------------------------------

/**
 * Reads one response: give it what came, in any pieces, and it gives the body.
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * const reader = new ResponseReader("GET");
 * const bytes = new TextEncoder().encode(
 *   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nHi\r\n0\r\n\r\n",
 * );
 * const length = reader.take(bytes, 0, bytes.length);
 * assertEquals(new TextDecoder().decode(bytes.subarray(0, length)), "Hi");
 * assertEquals([reader.done, reader.head?.status], [true, 200]);
 * ```
 */
export class ResponseReader {
  /** The final head, once it is complete. */
  head: Head | undefined;
  /** How the body is framed, once the head is complete. */
  framing: Framing | undefined;
  /** Is told each interim head (RFC 9110 section 15.2). */
  onInterim: ((head: Head) => void) | undefined;
  #body: BodyReader | undefined;
  /** The complete lines of the head, and the line that is not. */
  #text = "";
  #line = "";
  /** Bytes of all heads so far. */
  #bytes = 0;

  /** Reads the response to a request with this method. */
  constructor(readonly method: string) {}

  /** Whether the response is complete. What follows is ignored. */
  get done(): boolean {
    return this.#body?.done ?? false;
  }

  /**
   * Takes `buffer[start, end)`, the next bytes that came, and moves those of the body to `start`.
   *
   * @returns how many bytes of the body there are.
   * @throws {TrioError} with code 8 or 61 if the response is malformed.
   */
  take(buffer: Uint8Array, start: number, end: number): number {
    let at = start;
    while (!this.#body) {
      if (at === end) return 0;
      at = this.#takeHead(buffer, at, end);
    }
    if (this.done) return 0;
    if (at > start) buffer.copyWithin(start, at, end);
    return this.#body.take(buffer, start, start + end - at);
  }

  /** Takes head bytes up to the empty line, or all; returns where it stopped. */
  #takeHead(buffer: Uint8Array, start: number, end: number): number {
    for (let at = start; at < end;) {
      const lf = buffer.subarray(at, end).indexOf(LF);
      const piece = buffer.subarray(at, lf < 0 ? end : at + lf + 1);
      at += piece.length;
      this.#bytes += piece.length;
      if (this.#bytes > HEAD_LIMIT) throw malformed("a head without end");
      const begins = this.#text === "" && this.#line.length < 5;
      this.#line += byteString(piece);
      // another protocol, or HTTP/0.9: do not wait for a head that never comes
      if (begins && !"HTTP/".startsWith(this.#line.slice(0, 5))) {
        throw malformed(`it starts with "${this.#line}"`);
      }
      if (lf < 0) return end;
      if (this.#line === "\n" || this.#line === "\r\n") {
        this.#endHead();
        return at;
      }
      this.#text += this.#line;
      this.#line = "";
    }
    return end;
  }

  #endHead() {
    const head = parseHead(this.#text);
    this.#text = this.#line = "";
    // nobody asked for another protocol (RFC 9110 section 15.2.2)
    if (head.status === 101) throw malformed("101 without being asked");
    if (head.status < 200) return this.onInterim?.(head);
    this.framing = framing(this.method, head);
    this.#body = BODY_READERS[this.framing.kind](this.framing.length);
    this.head = head;
  }

  /**
   * Says that the connection ended: `clean` is false for a TLS stream without close_notify.
   *
   * @throws {TrioError} with code 52, 56 or 18 if the response is incomplete.
   */
  eof(clean: boolean): void {
    if (this.#body) {
      if (!this.done) this.#body.eof(clean);
    } else if (this.#bytes === 0) {
      throw new TransientError(EXIT.empty, "empty reply from the server");
    } else {
      throw new TransientError(EXIT.broken, "the connection ended in the head");
    }
  }
}
