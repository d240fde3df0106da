/**
 * The protocol alone: bytes in, bytes out. The cases are written from RFC 9110,
 * 9112 and 3986; each names its section.
 *
 * `FUZZ_SEED=N` runs the properties and the mutations again that seed N gave.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import v8 from "node:v8";
import vm from "node:vm";
import { fileName, framing, parseHead, parseUrl, ResponseReader } from "../fetch.ts";
import { TrioError } from "../mod.ts";
import { bytesOf, CHUNKED, joined, OK, type Outcome, readReply, REPLIES } from "./replies.ts";

const SEED = Number(Deno.env.get("FUZZ_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]);
fc.configureGlobal({ seed: SEED, numRuns: 500 });

/** Fails unless `act` throws a `TrioError` with this exit code. */
function throwsWith(code: number, act: () => unknown) {
  assertEquals(assertThrows(act, TrioError).code, code);
}

// --- Heads ------------------------------------------------------------------

type HeadCase = [section: string, what: string, head: string, expected: {
  minor?: number;
  status?: number;
  statusText?: string;
  fields?: [string, string][];
}];

// deno-fmt-ignore
const HEADS: HeadCase[] = [
  ["9112 2.2", "a bare LF ends a line", "HTTP/1.1 200 OK\nA: b\n\n", { statusText: "OK", fields: [["A", "b"]] }],
  ["9112 2.2", "a bare CR in a value is a space", `${OK}A: b\rc\r\n\r\n`, { fields: [["A", "b c"]] }],
  ["9112 2.3", "HTTP/1.0 is understood", "HTTP/1.0 200 OK\r\n\r\n", { minor: 0, status: 200 }],
  ["9112 4", "the reason phrase may be empty", "HTTP/1.1 200 \r\n\r\n", { minor: 1, status: 200, statusText: "" }],
  ["9112 4", "the space before no reason phrase may be missing", "HTTP/1.1 404\r\n\r\n", { status: 404, statusText: "" }],
  ["9112 4", "whitespace may be more than one space", "HTTP/1.1 \t200 \t OK\r\n\r\n", { status: 200, statusText: "OK" }],
  ["9112 4", "the reason phrase has spaces and obs-text", "HTTP/1.1 404 Non trouv\xc3\xa9 \xc3\xa0\r\n\r\n", { statusText: "Non trouv\xc3\xa9 \xc3\xa0" }],
  ["9110 15", "a status nobody knows is its class", "HTTP/1.1 299 Odd\r\n\r\n", { status: 299 }],
  ["9110 15", "a status outside of all classes is taken, as curl does", "HTTP/1.1 999 No\r\n\r\n", { status: 999 }],
  ["9112 5", "there may be no field", "HTTP/1.1 200 OK\r\n\r\n", { fields: [] }],
  ["9112 5.1", "whitespace around a value is none of it", `${OK}A: \t b \t\r\nC:d\r\n\r\n`, { fields: [["A", "b"], ["C", "d"]] }],
  ["9112 5.1", "only space and tab are whitespace, not bytes of UTF-8", `${OK}A: voil\xc3\xa0\r\nB: \x0bx\x0c\r\n\r\n`, { fields: [["A", "voil\xc3\xa0"], ["B", "\x0bx\x0c"]] }],
  ["9112 5.1", "a value may be empty", `${OK}A:\r\nB: \r\n\r\n`, { fields: [["A", ""], ["B", ""]] }],
  ["9112 5.2", "folded lines are joined by a space", `${OK}A: b\r\n  c\r\n\td\r\nE: f\r\n\r\n`, { fields: [["A", "b c d"], ["E", "f"]] }],
  ["9112 5.2", "a fold begins a value", `${OK}A:\r\n b\r\n\r\n`, { fields: [["A", "b"]] }],
  ["9112 5.2", "a fold of spaces only is nothing", `${OK}A: b\r\n \t\r\n c\r\n\r\n`, { fields: [["A", "b c"]] }],
  ["9110 5.1", "names stay as they came", `${OK}x-ODD!#$%&'*+.^_\`|~: b\r\n\r\n`, { fields: [["x-ODD!#$%&'*+.^_`|~", "b"]] }],
  ["9110 5.3", "fields stay in their order, those of one name too", `${OK}B: 1\r\nA: 2\r\nb: 3\r\n\r\n`, { fields: [["B", "1"], ["A", "2"], ["b", "3"]] }],
  ["9110 5.5", "a value may have colons, quotes and obs-text", `${OK}A: b:c "d;\\"e" \xff\r\n\r\n`, { fields: [["A", 'b:c "d;\\"e" \xff']] }],
];

Deno.test("parseHead gives version, status, reason phrase and fields", async (t) => {
  for (const [section, what, text, expected] of HEADS) {
    await t.step(`RFC ${section}: ${what}`, () => {
      const head = parseHead(text);
      const keys = Object.keys(expected) as (keyof typeof expected)[];
      assertEquals(Object.fromEntries(keys.map((key) => [key, head[key]])), expected);
    });
  }
});

// deno-fmt-ignore
const BAD_HEADS: [section: string, what: string, head: string][] = [
  ["9112 2.1", "nothing", ""],
  ["9112 2.1", "the line of another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n"],
  ["9112 2.2", "whitespace before the first field", `${OK} A: b\r\n\r\n`],
  ["9112 2.3", "a version in lower case", "http/1.1 200 OK\r\n\r\n"],
  ["9112 2.3", "a version of two digits", "HTTP/1.10 200 OK\r\n\r\n"],
  ["9112 2.3", "HTTP/2", "HTTP/2 200 OK\r\n\r\n"],
  ["9112 2.3", "HTTP/0.9 with a status line", "HTTP/0.9 200 OK\r\n\r\n"],
  ["9112 4", "a status line that begins with a space", " HTTP/1.1 200 OK\r\n\r\n"],
  ["9112 4", "no status", "HTTP/1.1\r\n\r\n"],
  ["9112 4", "no space before the status", "HTTP/1.1200 OK\r\n\r\n"],
  ["9112 4", "a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"],
  ["9112 4", "a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"],
  ["9112 4", "a status with a sign", "HTTP/1.1 -20 OK\r\n\r\n"],
  ["9112 4", "a status in words", "HTTP/1.1 two OK\r\n\r\n"],
  ["9110 15", "a status under 100", "HTTP/1.1 099 OK\r\n\r\n"],
  ["9112 5", "a line without colon", `${OK}A b\r\n\r\n`],
  ["9112 5.1", "space before the colon of a field that frames the body", `${OK}Content-Length : 5\r\n\r\n`],
  ["9112 5.1", "tab before the colon of a field that frames the body", `${OK}transfer-encoding\t: chunked\r\n\r\n`],
  ["9112 5.2", "a folded status line", "HTTP/1.1 200 OK\r\n A: b\r\n\r\n"],
  ["9110 5.5", "NUL in a value", `${OK}A: b\0c\r\n\r\n`],
  ["9110 5.5", "NUL in a name", `${OK}A\0: b\r\n\r\n`],
  ["9110 5.5", "NUL in a folded line", `${OK}A: b\r\n \0\r\n\r\n`],
  ["9110 5.5", "NUL in the reason phrase", "HTTP/1.1 200 O\0K\r\n\r\n"],
];

Deno.test("parseHead refuses what is malformed", async (t) => {
  for (const [section, what, text] of BAD_HEADS) {
    await t.step(`RFC ${section}: ${what}`, () => throwsWith(8, () => parseHead(text)));
  }
});

// --- Framing ----------------------------------------------------------------

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

// --- Replies ----------------------------------------------------------------

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

// --- Properties -------------------------------------------------------------

/** A response, and how it is written down. */
interface Model {
  status: number;
  reason: string;
  fields: [string, string][];
  body: string;
  interim: { status: number; fields: [string, string][] }[];
  kind: "length" | "chunked" | "eof";
  chunks: { size: number; digits: number; upper: boolean; extension: string }[];
  trailers: [string, string][];
  /** What ends each line. */
  end: "\r\n" | "\n";
}

function text(letters: string, maxLength: number, minLength = 0): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...letters), minLength, maxLength });
}

// 0xa0 and 0x85 are whitespace for JavaScript, but parts of UTF-8 here
const value = text('aZ0 \t:;,="\\()<>/\xa0\x85\xff', 20).map((v) =>
  v.replace(/^[ \t]+|[ \t]+$/g, "")
);
const fields = fc.array(fc.tuple(text("aZ9-_!~", 10, 1).map((name) => `X-${name}`), value), {
  maxLength: 5,
});
const model: fc.Arbitrary<Model> = fc.record({
  status: fc.constantFrom(200, 201, 203, 206, 226, 299, 400, 404, 500, 999),
  reason: value,
  fields,
  body: text("\0\r\n0a;: \xff", 300),
  interim: fc.array(fc.record({ status: fc.constantFrom(100, 102, 103, 199), fields }), {
    maxLength: 3,
  }),
  kind: fc.constantFrom("length", "chunked", "eof"),
  chunks: fc.array(
    fc.record({
      size: fc.integer({ min: 1, max: 40 }),
      digits: fc.integer({ min: 1, max: 13 }),
      upper: fc.boolean(),
      extension: fc.oneof(fc.constant(""), text('a1=; \t"\\,', 10).map((ext) => `;${ext}`)),
    }),
    { minLength: 1, maxLength: 5 },
  ),
  trailers: fields,
  end: fc.constantFrom("\r\n", "\n"),
});

/** A response as it goes over the wire. */
function serialised(m: Model): string {
  const framed = {
    length: [`Content-Length: ${m.body.length}`],
    chunked: ["tRANSFER-eNCODING:chunked"],
    eof: [],
  }[m.kind];
  const lines = (list: [string, string][]) => list.map(([name, value]) => `${name}: ${value}`);
  const head = (status: number, reason: string, lines: string[]) =>
    [`HTTP/1.1 ${status} ${reason}`, ...lines, "", ""].join(m.end);
  return [
    ...m.interim.map(({ status, fields }) => head(status, "", lines(fields))),
    head(m.status, m.reason, [...lines(m.fields), ...framed]),
    m.kind === "chunked" ? chunked(m, lines(m.trailers)) : m.body,
  ].join("");
}

function chunked({ body, chunks, end }: Model, trailers: string[]): string {
  let text = "";
  for (let at = 0, count = 0;; count++) {
    const { size, digits, upper, extension } = chunks[count % chunks.length]!;
    const data = body.slice(at, at += size);
    const hex = data.length.toString(16).padStart(digits, "0");
    text += `${upper ? hex.toUpperCase() : hex}${extension}${end}`;
    if (data === "") return `${[text.slice(0, -end.length), ...trailers].join(end)}${end}${end}`;
    text += `${data}${end}`;
  }
}

const cuts = fc.array(fc.nat(2000), { maxLength: 30 });

Deno.test("ResponseReader gives the same head and body for any framing, chunking and split", () => {
  fc.assert(fc.property(model, cuts, (m, cuts) => {
    const { code, head, body } = readReply(serialised(m), { cuts });
    assertEquals([code, body], [0, m.body]);
    assertEquals([head?.status, head?.statusText], [m.status, m.reason]);
    assertEquals(head?.fields.slice(0, m.fields.length), m.fields);
  }));
});

Deno.test("ResponseReader gives no body for HEAD, 204 and 304, whatever the fields say", () => {
  fc.assert(fc.property(model, cuts, fc.constantFrom(200, 204, 304), (m, cuts, status) => {
    const method = status === 200 ? "HEAD" : "GET";
    const { code, head, body } = readReply(serialised({ ...m, status }), { method, cuts });
    assertEquals([code, body, head?.status], [0, "", status]);
  }));
});

Deno.test("ResponseReader is complete at the last byte of a framed reply and not before", () => {
  fc.assert(
    fc.property(model.filter(({ kind }) => kind !== "eof"), fc.nat(), (m, place) => {
      const reply = serialised(m);
      const cut = place % reply.length;
      assert(readReply(reply.slice(0, cut)).code !== 0, `complete after ${cut} bytes`);
      assertEquals(readReply(reply + "rest").body, m.body);
    }),
  );
});

Deno.test("ResponseReader ends the same way for any bytes however they are split", () => {
  const start = fc.constantFrom("", OK, `${OK}\r\n`, CHUNKED, `${CHUNKED}5;`, `${CHUNKED}0\r\n`);
  const bytes = text('HTP/1. 0523aF\r\n:;\0\t-+,"\xa0\xff', 60);
  fc.assert(fc.property(start, bytes, cuts, (start, bytes, cuts) => {
    const whole = readReply(start + bytes), split = readReply(start + bytes, { cuts });
    assertEquals([split.code, split.head], [whole.code, whole.head]);
    if (whole.code === 0) assertEquals(split.body, whole.body);
  }));
});

// --- The truncation sweep ---------------------------------------------------

const TRAILED = "6;ext=1\r\nhello,\r\nB\r\n more bytes\r\n0;end\r\nA: b\r\nC: d\r\n\r\n";
const SWEPT: [what: string, reply: string, end: number][] = [
  ["Content-Length", `${OK}Content-Length: 17\r\n\r\nhello, more bytes`, 0],
  ["no byte of body", `${OK}Content-Length: 0\r\n\r\n`, 0],
  ["204", "HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\n", 0],
  ["chunked with extensions and trailers", `${CHUNKED}${TRAILED}`, 0],
  ["chunked with bare LF", `${CHUNKED}${TRAILED}`.replaceAll("\r", ""), 0],
  [
    "interim replies",
    `HTTP/1.1 100 A\r\n\r\nHTTP/1.1 103 B\r\nC: d\r\n\r\n${CHUNKED}${TRAILED}`,
    0,
  ],
  ["EOF without close_notify", `${OK}\r\nhello, more bytes`, 18],
];

Deno.test("ResponseReader never takes a reply cut at any byte for complete", async (t) => {
  for (const [what, reply, end] of SWEPT) {
    await t.step(what, () => {
      const head = reply.lastIndexOf(reply.includes("\r") ? "\r\n\r\n" : "\n\n");
      for (let cut = 0; cut < reply.length; cut++) {
        for (const clean of end === 0 ? [true, false] : [false]) {
          const { code } = readReply(reply.slice(0, cut), { clean });
          const expected = cut === 0 ? [52] : cut < head ? [56, 18] : [18, 56];
          assert(expected.includes(code), `${code} after ${cut} of ${reply.length} bytes`);
        }
      }
      assertEquals(readReply(reply, { clean: false }).code, end);
    });
  }
});

Deno.test("ResponseReader takes EOF for the end where EOF frames the body, but not in the head", () => {
  const head = `${OK}A: b\r\n\r\n`, reply = `${head}hello`;
  for (let cut = 1; cut <= reply.length; cut++) {
    const { code, body } = readReply(reply.slice(0, cut));
    assertEquals([code, body], cut < head.length ? [56, ""] : [0, reply.slice(head.length, cut)]);
  }
});

// --- Mutations --------------------------------------------------------------

const MUTATED_REPLIES = 40_000;

/** Numbers from 0 to `below - 1` that the seed decides: mulberry32. */
function random(seed: number): (below: number) => number {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ seed >>> 15, seed | 1);
    t ^= t + Math.imul(t ^ t >>> 7, t | 61);
    return ((t ^ t >>> 14) >>> 0) % below;
  };
}

const CORPUS = [
  ...SWEPT.map(([, reply]) => reply),
  ...REPLIES.map(([, , reply]) => reply).filter((reply) => reply.length < 500),
].map(bytesOf);

// deno-fmt-ignore
const TOKENS = [
  "\r\n", "\n", "\r", "\0", " ", "\t", ":", ";", ",", "0", "5", "-1", "FFFFFFFFFFFFF", "18446744073709551616",
  "\r\n\r\n", "0\r\n\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 A\r\n\r\n", "Content-Length: 5\r\n", "Content-Length: 3, 4\r\n",
  "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip\r\n", "Transfer-Encoding: identity\r\n", "\x1b[2J", "\xff", "a".repeat(20_000),
].map(bytesOf);

/** Changes a reply in up to four places. */
function mutated(below: (n: number) => number): Uint8Array {
  let reply: Uint8Array = CORPUS[below(CORPUS.length)]!.slice();
  for (let left = below(4); left >= 0; left--) {
    const at = below(reply.length + 1), to = Math.min(at + below(9), reply.length);
    const token = TOKENS[below(TOKENS.length)]!, other = CORPUS[below(CORPUS.length)]!;
    switch (below(6)) {
      case 0: // another byte
        if (at < reply.length) reply[at] = below(256);
        break;
      case 1: // some bytes less
        reply = joined(reply.subarray(0, at), reply.subarray(to));
        break;
      case 2: // some bytes twice
        reply = joined(reply.subarray(0, to), reply.subarray(at));
        break;
      case 3: // something that means something
        reply = joined(reply.subarray(0, at), token, reply.subarray(at));
        break;
      case 4: // the end of another reply
        reply = joined(reply.subarray(0, at), other.subarray(below(other.length)));
        break;
      case 5: // an early end
        reply = reply.slice(0, at);
    }
  }
  return reply;
}

Deno.test(`ResponseReader survives ${MUTATED_REPLIES} mutated replies`, () => {
  console.log(`FUZZ_SEED=${SEED}`);
  v8.setFlagsFromString("--expose-gc");
  const collect: () => void = vm.runInNewContext("gc");
  const heap = () => (collect(), Deno.memoryUsage().heapUsed);
  const below = random(SEED);
  const codes = new Map<number, number>();
  let warm = 0;
  for (let count = 0; count < MUTATED_REPLIES; count++) {
    if (count === MUTATED_REPLIES / 4) warm = heap();
    const reply = mutated(below);
    const clean = below(2) === 0;
    const cuts = Array.from({ length: below(6) }, () => below(reply.length + 1));
    let whole: Outcome, split: Outcome;
    try {
      whole = readReply(reply, { clean }), split = readReply(reply, { clean, cuts });
      assertEquals([split.code, split.head], [whole.code, whole.head]);
      if (whole.code === 0) assertEquals(split.body, whole.body);
      assert(whole.body.length <= reply.length);
    } catch (error) { // whatever is no TrioError
      throw new Error(`reply ${count}: ${JSON.stringify(String.fromCharCode(...reply))}`, {
        cause: error,
      });
    }
    codes.set(whole.code, (codes.get(whole.code) ?? 0) + 1);
  }
  assertEquals([...codes.keys()].sort((a, b) => a - b), [0, 8, 18, 52, 56, 61]);
  const grown = heap() - warm;
  assert(grown < 1024 * 1024, `the heap grew by ${grown} bytes`);
});

// --- URLs and file names ----------------------------------------------------

// deno-fmt-ignore
const URLS: [section: string, what: string, text: string, expected: string | number][] = [
  ["3986 3.1", "no scheme is http", "example.com/a", "http://example.com/a"],
  ["3986 3.1", "no scheme but a port", "localhost:8000/a", "http://localhost:8000/a"],
  ["3986 3.1", "a scheme in capitals", "HTTP://Example.COM/A", "http://example.com/A"],
  ["3986 3.1", "another scheme", "ftp://example.com/", 1],
  ["3986 3.1", "a file", "file:///etc/passwd", 1],
  ["3986 3.2.1", "userinfo with an at sign", "http://u:p%40q@example.com/", "http://u:p%40q@example.com/"],
  ["3986 3.2.2", "IPv6", "http://[::1]:8000/", "http://[::1]:8000/"],
  ["3986 3.2.2", "IPv6 without end", "http://[::1/", 3],
  ["3986 3.2.2", "IPv6 that is none", "http://[::g]/", 3],
  ["3986 3.2.2", "no host", "http://", 3],
  ["3986 3.2.2", "a host with a space", "http://exa mple.com/", 3],
  ["3986 3.2.2", "nothing", "", 3],
  ["3986 3.2.3", "the usual port", "https://example.com:443/", "https://example.com/"],
  ["3986 3.2.3", "a port too large", "http://example.com:65536/", 3],
  ["3986 3.2.3", "a port that is no number", "http://example.com:http/", 3],
  ["3986 3.2.3", "a negative port", "http://example.com:-80/", 3],
  ["3986 3.3", "a path that is not ASCII", "http://example.com/ä b", "http://example.com/%C3%A4%20b"],
  ["3986 3.4", "a query without path", "http://example.com?a=b", "http://example.com/?a=b"],
  ["3986 3.5", "a fragment stays", "http://example.com/#a", "http://example.com/#a"],
  ["3986 5.2.4", "dot segments are removed", "http://example.com/a/../b/./c", "http://example.com/b/c"],
  ["3986 7.6", "CR", "http://example.com/\rHost: b", 2],
  ["3986 7.6", "LF", "http://example.com/\nHost: b", 2],
  ["3986 7.6", "NUL", "http://example.com/\0", 2],
];

Deno.test("parseUrl takes what a user of curl types", async (t) => {
  for (const [section, what, text, expected] of URLS) {
    await t.step(`RFC ${section}: ${what}`, () => {
      if (typeof expected === "number") throwsWith(expected, () => parseUrl(text));
      else assertEquals(parseUrl(text).href, expected);
    });
  }
});

Deno.test("parseUrl never shows a password", async (t) => {
  // deno-fmt-ignore
  const texts = [
    "http://u:secret@[::1/", "http://u:secret@h:x/", "u:secret@h:x", "ftp://u:secret@h/", "http://secret@h:x",
    "http://u:p/secret@h/", "http://u:p?secret@h/", "http://u:p#secret@h/",
    "http://u:p\\secret@h/", "http://u:p@secret@h:x/", "u:p/secret@h",
  ];
  for (const text of texts) {
    await t.step(text, () => {
      const { message } = assertThrows(() => parseUrl(text), TrioError);
      assert(!message.includes("secret"), message);
    });
  }
});

// deno-fmt-ignore
const FILE_NAMES: [path: string, name: string][] = [
  ["/a/b.html", "b.html"],
  ["/a/b.html?c=/d#e/f", "b.html"],
  ["", "index.html"],
  ["/a/", "index.html"],
  ["/..", "index.html"],
  ["/a/..", "index.html"],
  ["/%2e%2e", "index.html"],
  ["/...", "index.html"],
  ["/a%20b", "a b"],
  ["/%E4%BD%A0%E5%A5%BD.txt", "你好.txt"],
  ["/%ff", "%ff"],
  ["/100%", "100%"],
  ["/.bashrc", ".bashrc"],
];

Deno.test("fileName is the last segment of the path, or index.html", () => {
  for (const [path, name] of FILE_NAMES) {
    assertEquals(fileName(new URL(`http://example.com${path}`)), name, path);
  }
});

// deno-fmt-ignore
const HOSTILE_NAMES = [
  "%2e%2e%2f", "%2e%2e%2fetc%2fpasswd", "..%5c..%5cboot.ini", "%2fetc%2fpasswd", "a%2f..%2f..%2fb", "c:", "con:", "CON", "con.txt",
  "nul", "aux.h", "COM1", "lpt9.log", "a%00b", "%00", "%1b%5b2J", "%0d%0aa", "a%7f%c2%9b", "%e2%80%ae", "a.", "a%20", ".%20.", "%20",
  "-", "a*b%3fc", "a%22b%3ec%7cd", "x".repeat(5000), "%e4%bd%a0".repeat(2000), `${"x".repeat(5000)}.html`, `a.${"x".repeat(5000)}`,
  `${"x".repeat(249)}.${"y".repeat(20)}`, "%f0%9f%98%80".repeat(100), `${"e%cc%81".repeat(500)}.txt`,
];

Deno.test("fileName makes any name safe", async (t) => {
  for (const segment of HOSTILE_NAMES) {
    await t.step(segment.slice(0, 40), () => {
      const name = fileName(new URL(`http://example.com/a/${segment}`));
      assert(!/[\p{Cc}\p{Cf}/\\:*?"<>|]|[. ]$/u.test(name), JSON.stringify(name));
      assert(!/^((con|nul|aux|com1|lpt9)(\.|$)|-?$)/i.test(name), JSON.stringify(name));
      const { length } = new TextEncoder().encode(`${name}.part`);
      assert(length <= 255 && name.isWellFormed(), `${length} bytes`);
    });
  }
});

Deno.test("fileName is safe for any path", () => {
  const unit = fc.constantFrom(..."/.%25eaCON1:-? ", "%2f", "%2e", "%5c", "%00", "%0a", "ä", "😀");
  fc.assert(fc.property(fc.string({ unit, maxLength: 400 }), (path) => {
    const name = fileName(new URL(`http://example.com/${path}`));
    assert(!/[\p{Cc}\p{Cf}/\\:*?"<>|]|[. ]$/u.test(name) && name !== "-" && name !== "", name);
  }));
});
