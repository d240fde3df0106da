/**
 * Framing and bodies: bytes in, bytes out. The cases are written from RFC
 * 9110 and 9112; each names its section.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { framing, parseHead, ResponseReader } from "../../fetch.ts";
import { throwsWith } from "../support/assertions.ts";
import { bytesOf } from "../support/bytes.ts";
import { CHUNKED, OK, readReply, REPLIES } from "../support/replies.ts";

type FramingCase = [
  section: string,
  what: string,
  request: string,
  status: number,
  lines: string[],
  expected: string | number,
];

/** `kind`, the length if that frames it, and the codings; or the exit code. */
// deno-fmt-ignore
const FRAMINGS: FramingCase[] = [
  ["9112 6.3 1", "HEAD has no body", "HEAD", 200, ["Content-Length: 5"], "none"],
  ["9112 6.3 1", "HEAD has no body, chunked or not", "HEAD", 200, ["Transfer-Encoding: chunked"], "none"],
  ["9112 6.3 1", "HEAD has no body, whatever the length says", "HEAD", 200, ["Content-Length: x"], "none"],
  ["9112 6.3 1", "204 has no body", "GET", 204, ["Content-Length: 5"], "none"],
  ["9112 6.3 1", "304 has no body", "GET", 304, ["Transfer-Encoding: chunked"], "none"],
  ["9112 6.3 1", "205 may have one", "GET", 205, ["Content-Length: 5"], "length 5"],
  ["9112 6.3 2", "CONNECT and 2xx is a tunnel", "CONNECT", 299, ["Content-Length: 5"], "none"],
  ["9112 6.3 2", "CONNECT refused has a body", "CONNECT", 407, ["Content-Length: 5"], "length 5"],
  ["9112 6.3 3", "Transfer-Encoding wins over Content-Length", "GET", 200, ["Content-Length: 5", "Transfer-Encoding: chunked"], "chunked"],
  ["9112 6.3 3", "… in any order, and over a bad one", "GET", 200, ["Transfer-Encoding: chunked", "Content-Length: -5"], "chunked"],
  ["9112 6.3 4", "chunked last frames the body", "GET", 200, ["Transfer-Encoding: gzip, chunked"], "chunked gzip"],
  ["9112 6.3 4", "… over two fields", "GET", 200, ["Transfer-Encoding: deflate", "Transfer-Encoding: x-gzip,chunked"], "chunked deflate x-gzip"],
  ["9112 6.3 4", "not chunked last runs until EOF", "GET", 200, ["Transfer-Encoding: gzip", "Content-Length: 5"], "eof gzip"],
  ["9112 6.3 4", "chunked before another coding is none that can be undone", "GET", 200, ["Transfer-Encoding: chunked, gzip"], 61],
  ["9112 7", "names of codings have any case", "GET", 200, ["TRANSFER-ENCODING: Chunked"], "chunked"],
  ["9112 7", "an unknown coding cannot be undone", "GET", 200, ["Transfer-Encoding: br, chunked"], 61],
  ["9112 7", "a coding that only looks like chunked", "GET", 200, ["Transfer-Encoding: xchunked"], 61],
  ["9112 7", "identity, as RFC 2616 had it, changes nothing", "GET", 200, ["Transfer-Encoding: identity", "Content-Length: 5"], "length 5"],
  ["9112 7.1", "chunked twice is chunked once, as with curl", "GET", 200, ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], "chunked"],
  ["9112 7.1", "chunked inside of another coding is none that can be undone", "GET", 200, ["Transfer-Encoding: chunked, gzip, chunked"], 61],
  ["9112 7", "at most five codings", "GET", 200, ["Transfer-Encoding: gzip, gzip, gzip, gzip, gzip, chunked"], "chunked gzip gzip gzip gzip gzip"],
  ["9112 7", "six are too many", "GET", 200, ["Transfer-Encoding: gzip, gzip, gzip, gzip, gzip, gzip, chunked"], 61],
  ["9110 5.6.1", "empty list members are ignored", "GET", 200, ["Transfer-Encoding: , chunked,,"], "chunked"],
  ["9112 6.3 5", "equal lengths are one", "GET", 200, ["Content-Length: 5", "Content-Length: 5, 5"], "length 5"],
  ["9112 6.3 5", "unequal lengths are an error", "GET", 200, ["Content-Length: 5", "Content-Length: 6"], 8],
  ["9112 6.3 5", "… in one field too", "GET", 200, ["Content-Length: 5, 6"], 8],
  ["9112 6.3 5", "an empty length", "GET", 200, ["Content-Length:"], 8],
  ["9110 8.6", "a negative length", "GET", 200, ["Content-Length: -5"], 8],
  ["9110 8.6", "a signed length", "GET", 200, ["Content-Length: +5"], 8],
  ["9110 8.6", "a spaced length", "GET", 200, ["Content-Length: 1 0"], 8],
  ["9110 8.6", "a folded length", "GET", 200, ["Content-Length: 1", " 0"], 8],
  ["9110 8.6", "a hexadecimal length", "GET", 200, ["Content-Length: 0x5"], 8],
  ["9110 8.6", "a length with a fraction", "GET", 200, ["Content-Length: 5.0"], 8],
  ["9110 8.6", "a length with an exponent", "GET", 200, ["Content-Length: 1e3"], 8],
  ["9110 8.6", "the length 2^53 - 1", "GET", 200, ["Content-Length: 9007199254740991"], "length 9007199254740991"],
  ["9110 8.6", "the length 2^53 is no safe integer", "GET", 200, ["Content-Length: 9007199254740992"], 8],
  ["9110 8.6", "the length 2^64", "GET", 200, ["Content-Length: 18446744073709551616"], 8],
  ["9110 8.6", "digits of another script", "GET", 200, ["Content-Length: \xd9\xa5"], 8],
  ["9110 8.6", "leading zeros are digits", "GET", 200, ["Content-Length: 0005"], "length 5"],
  ["9112 6.3 6", "a length of nothing", "GET", 200, ["Content-Length: 0"], "length 0"],
  ["9112 6.3 8", "else until EOF", "GET", 200, [], "eof"],
  ["9112 6.3 8", "… of an error too", "GET", 500, ["Connection: keep-alive"], "eof"],
];

Deno.test("framing decides in the order of RFC 9112 section 6.3", async (t) => {
  for (const [section, what, method, status, lines, expected] of FRAMINGS) {
    await t.step(`RFC ${section}: ${what}`, () => {
      const head = parseHead([`HTTP/1.1 ${status} X`, ...lines, "", ""].join("\r\n"));
      if (typeof expected === "number") return throwsWith(expected, () => framing(method, head));
      const { kind, length, codings } = framing(method, head);
      assertEquals([kind, ...kind === "length" ? [length] : [], ...codings].join(" "), expected);
    });
  }
});

Deno.test("ResponseReader gives the body, whole or byte by byte", async (t) => {
  for (const [section, what, reply, expected] of REPLIES) {
    await t.step(`RFC ${section}: ${what}`, () => {
      // byte by byte where that takes no second
      const every = reply.length < 2000 ? Array.from(reply, (_, at) => at) : [7, 70_000];
      for (const cuts of [[], every]) {
        const { code, body } = readReply(reply, { cuts });
        assertEquals(code || body, expected);
      }
    });
  }
});

Deno.test("ResponseReader takes hex digits for a chunk's size, and no other byte", () => {
  for (let byte = 0; byte < 256; byte++) {
    const char = String.fromCharCode(byte), isDigit = /[\da-f]/i.test(char);
    assertEquals(readReply(CHUNKED + char).code, isDigit ? 18 : 8, `byte ${byte}`);
  }
});

Deno.test("ResponseReader takes EOF without close_notify for the end of framed bodies only", () => {
  for (
    const reply of [`${OK}Content-Length: 5\r\n\r\nhello`, `${CHUNKED}5\r\nhello\r\n0\r\n\r\n`]
  ) {
    assertEquals(readReply(reply, { clean: false }).code, 0);
  }
  assertEquals(readReply(`${OK}\r\nhello`, { clean: false }).code, 18);
  assertEquals(readReply(`${OK}Content-Length: 6\r\n\r\nhello`, { clean: false }).code, 18);
});

Deno.test("ResponseReader reads no body for HEAD and tells interim heads", () => {
  const reader = new ResponseReader("HEAD");
  const interim: number[] = [];
  reader.onInterim = ({ status }) => interim.push(status);
  const bytes = bytesOf(
    `HTTP/1.1 100 A\r\n\r\nHTTP/1.1 103 B\r\n\r\n${OK}Content-Length: 5\r\n\r\n`,
  );
  assertEquals(reader.take(bytes, 0, bytes.length), 0);
  assertEquals([interim, reader.done, reader.head?.status], [[100, 103], true, 200]);
});

Deno.test("ResponseReader moves the body to where the buffer was given from", () => {
  const reader = new ResponseReader("GET");
  const bytes = bytesOf(`....${CHUNKED}2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n....`);
  assertEquals(reader.take(bytes, 4, bytes.length - 4), 5);
  assertEquals(new TextDecoder().decode(bytes.subarray(0, 9)), "....hello");
  assertEquals(new TextDecoder().decode(bytes.subarray(-4)), "....");
  assert(reader.done);
});

/** What never ends: each piece is given again and again. */
const ENDLESS: [what: string, start: string, piece: string][] = [
  ["a status line", "HTTP/1.1 200 ", "a".repeat(65536)],
  ["a head of 100 MB in one line", `${OK}A: `, "b".repeat(65536)],
  ["a head of 10^6 fields", OK, "A: b\r\n".repeat(10_000)],
  ["a head of 10^6 folds", `${OK}A: b\r\n`, " c\r\n".repeat(10_000)],
  ["interim replies", "", "HTTP/1.1 100 Continue\r\n\r\n"],
  ["interim replies with fields", "", `HTTP/1.1 103 Hints\r\n${"A: b\r\n".repeat(2000)}\r\n`],
  ["a chunk's size", CHUNKED, "0".repeat(1000)],
  ["a chunk's extension", `${CHUNKED}5`, ";a".repeat(1000)],
  ["trailers", `${CHUNKED}0\r\n`, "A: b\r\n".repeat(1000)],
];

Deno.test("ResponseReader gives up on what never ends within 400 KiB", async (t) => {
  for (const [what, start, piece] of ENDLESS) {
    await t.step(what, () => {
      const reader = new ResponseReader("GET");
      let taken = 0;
      throwsWith(8, () => {
        for (let text = start; taken < 1e8; text = piece) {
          const bytes = bytesOf(text);
          taken += bytes.length;
          reader.take(bytes, 0, bytes.length);
        }
      });
      assert(taken < 400 * 1024, `${taken} bytes`);
    });
  }
});
