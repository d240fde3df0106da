/**
 * Lists of URLs and header lines, as editors and shells write them.
 *
 * @module
 */
import { assertEquals } from "jsr:@std/assert@^1.0.0";
import { decodeText, parseLines, parseUrlList } from "../../protocol/lists.ts";
import { encode } from "../support/bytes.ts";
import { fc } from "../support/fuzz.ts";

/** The bytes of a text in UTF-16 with a byte order mark. */
function utf16(text: string, littleEndian: boolean): Uint8Array {
  const marked = `\ufeff${text}`, view = new DataView(new ArrayBuffer(2 * marked.length));
  for (let at = 0; at < marked.length; at++) {
    view.setUint16(2 * at, marked.charCodeAt(at), littleEndian);
  }
  return new Uint8Array(view.buffer);
}

Deno.test("decodeText reads UTF-8 and, with a byte order mark, UTF-16", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
    for (const bytes of [encode(`\ufeff${text}`), utf16(text, true), utf16(text, false)]) {
      assertEquals(decodeText(bytes), text);
    }
  }));
  assertEquals(decodeText(encode("小明\n")), "小明\n");
  assertEquals(decodeText(new Uint8Array()), "");
  assertEquals(decodeText(Uint8Array.of(0x61)), "a");
  assertEquals(decodeText(Uint8Array.of(0xff, 0x61)), "\ufffda");
});

Deno.test("parseLines passes over empty lines and comments, and keeps # within a line", () => {
  const text = "\ufeff# mine\r\n\r\nX-Color: #fff\r\n \t# another\r\n\t X-B:  2 # 3 \r\n#";
  assertEquals(parseLines(text), ["X-Color: #fff", "X-B:  2 # 3"]);
  assertEquals(parseLines("X-A: 1"), ["X-A: 1"]);
  for (const text of ["", "\n", "\r\n \n", "#", "\ufeff"]) assertEquals(parseLines(text), []);
});

Deno.test("parseUrlList keeps fragments, and takes a # behind a space for a comment", () => {
  const text = `# the mirrors
http://a.example/x#part
b.example/y   # the second: http://c.example/ # really
\thttp://d.example/?a=#b\t#\r
`;
  assertEquals(parseUrlList(text), [
    "http://a.example/x#part",
    "b.example/y",
    "http://d.example/?a=#b",
  ]);
});
