/**
 * Replies of any shape, cut anywhere, split anyhow, and mutated.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import v8 from "node:v8";
import vm from "node:vm";
import { bytesOf, joined } from "../support/bytes.ts";
import { fc, SEED } from "../support/fuzz.ts";
import { CHUNKED, OK, type Outcome, readReply, REPLIES } from "../support/replies.ts";
import { rounds } from "../support/thorough.ts";

/** How often a property is tried. */
const RUNS = { numRuns: rounds(800) };

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
  fc.assert(
    fc.property(model, cuts, (m, cuts) => {
      const { code, head, body } = readReply(serialised(m), { cuts });
      assertEquals([code, body], [0, m.body]);
      assertEquals([head?.status, head?.statusText], [m.status, m.reason]);
      assertEquals(head?.fields.slice(0, m.fields.length), m.fields);
    }),
    RUNS,
  );
});

Deno.test("ResponseReader gives no body for HEAD, 204 and 304, whatever the fields say", () => {
  fc.assert(
    fc.property(model, cuts, fc.constantFrom(200, 204, 304), (m, cuts, status) => {
      const method = status === 200 ? "HEAD" : "GET";
      const { code, head, body } = readReply(serialised({ ...m, status }), { method, cuts });
      assertEquals([code, body, head?.status], [0, "", status]);
    }),
    RUNS,
  );
});

Deno.test("ResponseReader is complete at the last byte of a framed reply and not before", () => {
  fc.assert(
    fc.property(model.filter(({ kind }) => kind !== "eof"), fc.nat(), (m, place) => {
      const reply = serialised(m);
      const cut = place % reply.length;
      assert(readReply(reply.slice(0, cut)).code !== 0, `complete after ${cut} bytes`);
      assertEquals(readReply(reply + "rest").body, m.body);
    }),
    RUNS,
  );
});

Deno.test("ResponseReader ends the same way for any bytes however they are split", () => {
  const start = fc.constantFrom("", OK, `${OK}\r\n`, CHUNKED, `${CHUNKED}5;`, `${CHUNKED}0\r\n`);
  const bytes = text('HTP/1. 0523aF\r\n:;\0\t-+,"\xa0\xff', 60);
  fc.assert(
    fc.property(start, bytes, cuts, (start, bytes, cuts) => {
      const whole = readReply(start + bytes), split = readReply(start + bytes, { cuts });
      assertEquals([split.code, split.head], [whole.code, whole.head]);
      if (whole.code === 0) assertEquals(split.body, whole.body);
    }),
    RUNS,
  );
});

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

const MUTATED_REPLIES = rounds(10_000);

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
