/**
 * Heads: texts in, fields out. The cases are written from RFC 9110 and 9112; each names its section.
 *
 * @module
 */
import { assertEquals, assertThrows } from "jsr:@std/assert@^1.0.0";
import {
  byteString,
  checkCodings,
  codingsIn,
  membersOf,
  parseHead,
  trimmed,
  valueOf,
  valuesOf,
} from "../../protocol/head.ts";
import { throwsWith } from "../support/assertions.ts";
import { OK } from "../support/replies.ts";

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
  ["9112 4", "spaces may be more than one", "HTTP/1.1   200   OK\r\n\r\n", { status: 200, statusText: "OK" }],
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
  ["9112 4", "a tab behind the version", "HTTP/1.1\t200 OK\r\n\r\n"],
  ["9112 4", "a tab among the spaces behind the version", "HTTP/1.1 \t200 OK\r\n\r\n"],
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
  ["9110 5.4", "more than 5,000 lines", `${OK}${"A:\r\n".repeat(5000)}\r\n`],
];

Deno.test("parseHead refuses what is malformed", async (t) => {
  for (const [section, what, text] of BAD_HEADS) {
    await t.step(`RFC ${section}: ${what}`, () => throwsWith(8, () => parseHead(text)));
  }
});

Deno.test("parseHead quotes no more than a line of what is malformed", () => {
  const { message } = assertThrows(() => parseHead(`${OK}${"x".repeat(1000)}\r\n\r\n`), Error);
  assertEquals(message.length < 120, true, message);
});

Deno.test("parseHead takes 5,000 lines", () => {
  assertEquals(parseHead(`${OK}${"A:\r\n".repeat(4999)}\r\n`).fields.length, 4999);
});

Deno.test("fields are found by their lower-case names, in their order", () => {
  const head = parseHead(`${OK}A: 1\r\nb: x, y\r\na: 2\r\nB:z,\r\n\r\n`);
  assertEquals([valueOf(head, "a"), valueOf(head, "c")], ["1", undefined]);
  assertEquals([valuesOf(head, "a"), valuesOf(head, "c")], [["1", "2"], []]);
  assertEquals(membersOf(head, "b"), ["x", "y", "z", ""]);
});

Deno.test("codingsIn leaves out those that say that there is none", () => {
  const head = parseHead(
    `${OK}Content-Encoding: identity, GZIP\r\ncontent-encoding: none,, br\r\n`,
  );
  assertEquals(codingsIn(head, "content-encoding"), ["gzip", "br"]);
});

Deno.test("checkCodings refuses what is unknown, and more than five", () => {
  checkCodings(["gzip", "gzip", "gzip", "gzip", "gzip"], ["gzip"]);
  throwsWith(61, () => checkCodings(["gzip", "rot13"], ["gzip"]));
  throwsWith(61, () => checkCodings(Array(6).fill("gzip"), ["gzip"]));
});

Deno.test("trimmed takes spaces and tabs, and no byte of UTF-8", () => {
  assertEquals(trimmed(" \t a b\t "), "a b");
  assertEquals(trimmed("\xa0a\x85"), "\xa0a\x85");
  assertEquals(trimmed(" \t"), "");
});

Deno.test("byteString has one char for each byte, however many they are", () => {
  const bytes = Uint8Array.from({ length: 300_000 }, (_, at) => at % 256);
  const text = byteString(bytes);
  assertEquals([text.length, text.charCodeAt(299_999)], [300_000, 299_999 % 256]);
});
