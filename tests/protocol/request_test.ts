/**
 * URLs as they are asked for, and what a request says.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertThrows } from "jsr:@std/assert@^1.0.0";
import { parseUrl } from "../../fetch.ts";
import { TrioError } from "../../mod.ts";
import { parseHead } from "../../protocol/head.ts";
import {
  headerLines,
  maskedLine,
  parseProxy,
  portOf,
  redirectTarget,
  requestLines,
  shown,
  userinfo,
  withoutUser,
} from "../../protocol/request.ts";
import { throwsWith } from "../support/assertions.ts";

// deno-fmt-ignore
const URLS: [section: string, what: string, text: string, expected: string | number][] = [
  ["3986 3.1", "no scheme is http", "example.com/a", "http://example.com/a"],
  ["3986 3.1", "no scheme but a port", "localhost:8000/a", "http://localhost:8000/a"],
  ["3986 3.1", "a scheme in capitals", "HTTP://Example.COM/A", "http://example.com/A"],
  ["3986 3.1", "a scheme and one slash", "http:/example.com/a", "http://example.com/a"],
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
  ["3986 3.3", "a backslash in a path is no slash", "http://example.com/a\\b", "http://example.com/a%5Cb"],
  ["3986 3.3", "backslashes before it are", "http:\\\\example.com\\a", "http://example.com/a"],
  ["3986 3.3", "a tab", "http://example.com/a\tb", "http://example.com/a%09b"],
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

Deno.test("parseUrl says what is wrong with a URL", () => {
  for (
    const [text, why] of [
      ["http://::1/", "an IPv6 address has brackets"],
      ["fe80::1", "an IPv6 address has brackets"],
      ["http://[fe80::1%25lo]:80/", "has no zone"],
      ["http://127.0.0.1:80:80/", "neither name nor address"],
      ["http://exa mple:80/", "neither name nor address"],
      ["http://ann:p/q@a.example/", "are written %2F"],
      ["http://a.example:p/q", 'the port "p" is no number'],
    ] as const
  ) throwsWith(3, () => parseUrl(text), why);
});

Deno.test("portOf takes 0 for a port", () => {
  const urls = ["http://a.example:0/", "http://a.example/", "https://a.example/"];
  assertEquals(urls.map((url) => portOf(parseUrl(url))), [0, 80, 443]);
  const proxies = ["socks5://a.example", "socks5h://a.example", "a.example"];
  assertEquals(proxies.map((url) => portOf(parseProxy(url))), [1080, 1080, 80]);
});

Deno.test("HttpUrl asks for a query as it was written: a signature covers it", () => {
  assertEquals(parseUrl("https://a.example/b'?c='d'&e=f g#'").target, "/b'?c='d'&e=f%20g");
});

Deno.test("userinfo decodes what is percent-encoded, and leaves what is not", () => {
  const users = ["http://ann:p%40%2f@a/", "http://a%zz:100%@a/", "http://:p@a/", "http://a/"];
  const decoded = ["ann:p@/", "a%zz:100%", ":p", undefined];
  assertEquals(users.map((url) => userinfo(parseUrl(url))), decoded);
  assertEquals(new Set(users.map((url) => withoutUser(parseUrl(url)))), new Set(["http://a/"]));
});

Deno.test("headerLines takes lines, an object, or Headers", () => {
  const lines = ["a: b", "c;"];
  for (const headers of [lines, { a: "b", c: "" }, new Headers({ A: "b", C: "" })]) {
    assertEquals(headerLines(headers), lines);
  }
  for (const bad of [["a: b", 5], { a: 5 }, "a: b"]) {
    throwsWith(2, () => headerLines(bad as unknown as string[]), "headers are lines");
  }
});

Deno.test("requestLines has each text of a user as UTF-8, one char a byte", () => {
  const head = { userAgent: "ü", headers: ["A: ü"] };
  const lines = requestLines(parseUrl("a.example"), head);
  assertEquals([lines[2], lines.at(-1)], ["User-Agent: \xc3\xbc", "A: \xc3\xbc"]);
});

Deno.test("maskedLine shows no value of a header that may be a secret", () => {
  const names =
    "Authorization Proxy-Authorization Cookie X-Api-Key PRIVATE-TOKEN X-Amz-Security-Token";
  for (const name of names.split(" ")) assertEquals(maskedLine(`${name}: a`), `${name}: ***`);
  assertEquals(maskedLine("Accept: a/b"), "Accept: a/b");
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

Deno.test("requestLines asks for no codings with a range: its bytes are those of one coding", () => {
  const lines = requestLines(parseUrl("a.example"), { range: "5-", compressed: true });
  assertEquals(lines.slice(-2), ["Connection: close", "Range: bytes=5-"]);
});

Deno.test("requestLines keeps what is for a proxy out of the tunnel", () => {
  const url = parseUrl("https://a.example/"), headers = ["Proxy-Authorization: x", "A: b"];
  const ends = [true, false].map((tunnelled) => requestLines(url, { headers, tunnelled }).slice(5));
  assertEquals(ends, [["A: b"], headers]);
});

Deno.test("redirectTarget leads from http to https, and never back", () => {
  const [http, https] = ["http://a.example/", "https://a.example/"] as const;
  const to = (location: string) => parseHead(`HTTP/1.1 302 X\r\nLocation: ${location}\r\n`);
  assertEquals(redirectTarget(parseUrl(http), to(https))?.href, https);
  assertEquals(redirectTarget(parseUrl(https), to("/b"))?.href, `${https}b`);
  throwsWith(47, () => redirectTarget(parseUrl(https), to(http)));
  throwsWith(47, () => redirectTarget(parseUrl(https), to("http://b.example/")));
});

Deno.test("redirectTarget leads on with 301, 302, 303, 307 and 308 only", () => {
  const statuses = Array.from({ length: 12 }, (_, at) => 299 + at).filter((status) =>
    redirectTarget(parseUrl("a.example"), parseHead(`HTTP/1.1 ${status} X\r\nLocation: /b\r\n`))
  );
  assertEquals(statuses, [301, 302, 303, 307, 308]);
});

Deno.test("shown makes bytes text, and neither secrets nor control characters are in it", () => {
  assertEquals(shown("\xe4\xbd\xa0 \x1b[2J \xff"), "\xe4\xbd\xa0 \\x1b[2J \xff");
  assertEquals(shown("\xe4\xbd\xa0 \x1b[2J"), "你 \\x1b[2J");
  assertEquals(shown("see http://ann:secret@a/ \x9b"), "see http://***@a/ \\x9b");
});

Deno.test("shown hides a password with a slash in it, and no path with an @", () => {
  const hidden = ["http://u:p/x@h/", "http:/u:p/x@h/", "//u:p?x#y@h/", "HTTPS:\\\\u:1p/@h"];
  for (const url of hidden) assertMatch(shown(`to ${url}`), /^to \S*\*\*\*@h\/?$/);
  const open = ["http://h/x@y", "http://h:80/x@y", "http://h:/x@y", "http://[::1]:80/x@y"];
  for (const text of [...open, "http://a:b/ of x@y"]) assertEquals(shown(text), text);
});
