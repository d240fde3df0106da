/**
 * Replies as bytes, and what a reader makes of them.
 *
 * @module
 */
import { assert } from "jsr:@std/assert@^1.0.0";
import zlib from "node:zlib";
import { type Head, ResponseReader } from "../../fetch.ts";
import { TrioError } from "../../mod.ts";
import { bytesOf, encode, joined, textOf } from "./bytes.ts";

/** A good status line. */
export const OK = "HTTP/1.1 200 OK\r\n";
/** The head of a chunked reply. */
export const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;

/** A reply whose body is `hello`. */
export const HELLO = `${OK}Content-Length: 5\r\n\r\nhello`;

/** A handshake record of 16 KiB, of which only the header comes. */
export const RECORD = "\x16\x03\x03\x40\0";

/** A redirect to `location`. */
export function redirect(location: string, status = "302 Found"): string {
  return `HTTP/1.1 ${status}\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`;
}

/** A response with this status and these header lines, framed by its length. */
export function response(
  status: string,
  body: string | Uint8Array = "",
  headers: string[] = [],
): [head: string, body: Uint8Array] {
  const bytes = encode(body);
  const lines = [`HTTP/1.1 ${status}`, `Content-Length: ${bytes.length}`, ...headers];
  return [`${lines.join("\r\n")}\r\n\r\n`, bytes];
}

/** A text to be coded. */
export const TEXT = "hello, world\n";

/** `TEXT` in each content coding. */
export const CODED: Record<string, Uint8Array> = {
  identity: bytesOf(TEXT),
  gzip: zlib.gzipSync(TEXT),
  deflate: zlib.deflateSync(TEXT),
  br: zlib.brotliCompressSync(TEXT),
};

/** A reply, and its body or the exit code. */
export type ReplyCase = [section: string, what: string, reply: string, expected: string | number];

/** Replies written from RFC 9110 and 9112. */
// deno-fmt-ignore
export const REPLIES: ReplyCase[] = [
  ["9112 6.3", "a length frames the body", `${OK}Content-Length: 5\r\n\r\nhello`, "hello"],
  ["9112 6.3", "what follows the body is ignored", `${OK}Content-Length: 5\r\n\r\nhelloHTTP/1.1 500 X\r\n\r\n`, "hello"],
  ["9112 6.3", "what follows no body is ignored", "HTTP/1.1 204 None\r\n\r\nhello", ""],
  ["9112 6.3", "EOF frames the body", `${OK}\r\nhello`, "hello"],
  ["9112 6.3", "EOF frames no bytes", `${OK}\r\n`, ""],
  ["9112 2.2", "all lines may end with LF alone", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n0\nA: b\n\n", "hello"],
  ["9112 6.1", "chunked in HTTP/1.0 is chunked, as with curl", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello"],
  ["9112 7.1", "one chunk", `${CHUNKED}5\r\nhello\r\n0\r\n\r\n`, "hello"],
  ["9112 7.1", "many chunks", `${CHUNKED}1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n`, "hello"],
  ["9112 7.1", "no chunk", `${CHUNKED}0\r\n\r\n`, ""],
  ["9112 7.1", "hex digits in any case", `${CHUNKED}a\r\n0123456789\r\nB\r\n0123456789A\r\n0\r\n\r\n`, "01234567890123456789A"],
  ["9112 7.1", "leading zeros", `${CHUNKED}0000000000005\r\nhello\r\n000\r\n\r\n`, "hello"],
  ["9112 7.1", "chunks whose data looks like chunks", `${CHUNKED}5\r\n0\r\n\r\n\r\n2\r\n\r\n\r\n0\r\n\r\n`, "0\r\n\r\n\r\n"],
  ["9112 7.1", "what follows the last chunk is ignored", `${CHUNKED}0\r\n\r\n5\r\nhello\r\n`, ""],
  ["9112 7.1.1", "extensions are dropped", `${CHUNKED}5;a;b=c;d="e;f"\r\nhello\r\n0;g=h\r\n\r\n`, "hello"],
  ["9112 7.1.1", "whitespace before an extension", `${CHUNKED}5 \t;a = b\r\nhello\r\n0\r\n\r\n`, "hello"],
  ["9112 7.1.1", "whitespace behind the size, as some servers pad it", `${CHUNKED}5   \r\nhello\r\n0  \r\n\r\n`, "hello"],
  ["9112 7.1.2", "trailers are dropped", `${CHUNKED}5\r\nhello\r\n0\r\nA: b\r\nContent-Length: 9\r\n\r\n`, "hello"],
  ["9112 7.1.2", "folded trailers are dropped", `${CHUNKED}5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n`, "hello"],
  ["9112 7.1", "an empty size", `${CHUNKED}\r\nhello\r\n0\r\n\r\n`, 8],
  ["9112 7.1", "an extension instead of a size", `${CHUNKED};a\r\n\r\n`, 8],
  ["9112 7.1", "a negative size", `${CHUNKED}-5\r\nhello\r\n0\r\n\r\n`, 8],
  ["9112 7.1", "a signed size", `${CHUNKED}+5\r\nhello\r\n0\r\n\r\n`, 8],
  ["9112 7.1", "a size with 0x", `${CHUNKED}0x5\r\nhello\r\n0\r\n\r\n`, 8],
  ["9112 7.1", "a size that goes on with letters", `${CHUNKED}5hello\r\nhello\r\n0\r\n\r\n`, 8],
  ["9112 7.1", "a space before the size", `${CHUNKED} 5\r\nhello\r\n0\r\n\r\n`, 8],
  ["9112 7.1", "a size with leading zeros", `${CHUNKED}${"0".repeat(40)}5\r\nhello\r\n0\r\n\r\n`, "hello"],
  ["9112 7.1", "a size that is no safe integer", `${CHUNKED}20000000000000\r\nhello`, 8],
  ["9112 7.1", "the size 2^64", `${CHUNKED}10000000000000000\r\nhello\r\n0\r\n\r\n`, 8],
  ["9112 7.1", "the size 2^64 + 5", `${CHUNKED}10000000000000005\r\nhello\r\n0\r\n\r\n`, 8],
  ["9112 7.1", "data longer than its size", `${CHUNKED}5\r\nhello!\r\n0\r\n\r\n`, 8],
  ["9112 7.1", "data without line end", `${CHUNKED}5\r\nhello0\r\n\r\n`, 8],
  ["9112 7.1", "two CRs behind the data", `${CHUNKED}5\r\nhello\r\r\n0\r\n\r\n`, 8],
  ["9112 7.1", "an empty line behind the data", `${CHUNKED}5\r\nhello\r\n\r\n0\r\n\r\n`, 8],
  ["9112 7.1", "a CR alone behind the size", `${CHUNKED}5\rhello\r\n0\r\n\r\n`, 8],
  ["9112 7.1.1", "a CR in an extension", `${CHUNKED}5;a\rb\r\nhello\r\n0\r\n\r\n`, 8],
  ["9112 7.1.1", "an extension without end", `${CHUNKED}5;${"a".repeat(4e5)}`, 8],
  ["9112 7.1.2", "trailers without end", `${CHUNKED}0\r\n${"A: b\r\n".repeat(7e4)}`, 8],
  ["9112 8", "a length not reached", `${OK}Content-Length: 6\r\n\r\nhello`, 18],
  ["9112 8", "a chunk not complete", `${CHUNKED}6\r\nhello`, 18],
  ["9112 8", "no last chunk", `${CHUNKED}5\r\nhello\r\n`, 18],
  ["9112 8", "a last chunk without its line", `${CHUNKED}5\r\nhello\r\n0`, 18],
  ["9112 8", "no end of the trailers", `${CHUNKED}5\r\nhello\r\n0\r\n`, 18],
  ["9112 8", "a trailer cut short", `${CHUNKED}5\r\nhello\r\n0\r\nA: b\r\n`, 18],
  ["9112 8", "no byte at all", "", 52],
  ["9112 8", "a head cut short", `${OK}Content-Length: 0\r\n`, 56],
  ["9110 15.2", "an interim reply goes before", `HTTP/1.1 100 Continue\r\n\r\n${OK}Content-Length: 5\r\n\r\nhello`, "hello"],
  ["9110 15.2", "an interim reply has no body", `HTTP/1.1 103 Hints\r\nContent-Length: 5\r\nLink: <a>\r\n\r\n${OK}\r\nhello`, "hello"],
  ["9110 15.2", "a 1xx nobody knows is an interim reply", `HTTP/1.1 199 Odd\n\n${OK}\r\nhello`, "hello"],
  ["9110 15.2", "a thousand of them", `${"HTTP/1.1 102 Processing\r\n\r\n".repeat(1000)}${OK}\r\nhello`, "hello"],
  ["9110 15.2", "the final one is missing", "HTTP/1.1 100 Continue\r\n\r\n", 56],
  ["9110 15.2.2", "101 to no Upgrade", `HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n${OK}\r\nhello`, 8],
  ["9112 2.2", "an empty line before the status line", `\r\n${OK}\r\nhello`, 8],
  ["9112 2.3", "HTTP/0.9", "<html>hello</html>", 8],
  ["9112 2.3", "HTTP/0.9, shorter than a version", "hi", 8],
  ["9112 2.3", "the first bytes of TLS", "\x15\x03\x01\x00\x02\x02\x50", 8],
  ["9110 5.4", "a head of 300 KiB", `${OK}A: ${"b".repeat(300 * 1024 - OK.length - 7)}\r\n\r\n`, ""],
  ["9110 5.4", "a head of more than 300 KiB", `${OK}A: ${"b".repeat(300 * 1024 - OK.length - 6)}\r\n\r\n`, 8],
  ["9110 5.4", "a head of 300 KiB with interim replies", `HTTP/1.1 100 X\r\nA: ${"b".repeat(2e5)}\r\n\r\n${OK}A: ${"b".repeat(2e5)}\r\n\r\n`, 8],
];

/** What reading a reply came to. */
export interface Outcome {
  /** The exit code: 0 if the reply was complete. */
  code: number;
  /** The final head, if that was complete. */
  head: Head | undefined;
  /** The body so far, one char a byte. */
  body: string;
}

/** Feeds a reply to a `ResponseReader`, in pieces that end at `cuts`. */
export function readReply(
  reply: string | Uint8Array,
  { method = "GET", cuts = [], clean = true }: {
    method?: string;
    cuts?: readonly number[];
    clean?: boolean;
  } = {},
): Outcome {
  const bytes = joined(reply);
  const reader = new ResponseReader(method);
  let body = "", code = 0, start = 0;
  try {
    for (const end of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
      const piece = bytes.slice(start, end);
      body += textOf(piece.subarray(0, reader.take(piece, 0, piece.length)));
      start = end;
    }
    if (!reader.done) reader.eof(clean);
    assert(reader.done, "neither done nor an error at EOF");
  } catch (error) {
    if (!(error instanceof TrioError)) throw error;
    code = error.code;
  }
  return { code, head: reader.head, body };
}
