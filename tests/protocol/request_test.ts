/**
 * URLs as they are asked for, and what goes around a proxy.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "jsr:@std/assert@^1.0.0";
import { bypassesProxy, parseUrl } from "../../fetch.ts";
import { TrioError } from "../../mod.ts";
import { throwsWith } from "../support/assertions.ts";

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
const NO_PROXY: [noProxy: string, url: string, bypasses: boolean][] = [
  ["", "a.example", false], [",", "a.example", false], [".", "a.example", false],
  ["*", "a.example", true], ["b.example, *", "a.example", true], ["*.example", "a.example", false],
  ["a.example", "a.example", true], ["A.Example", "a.example", true], ["a.example", "A.EXAMPLE", true],
  ["example", "a.example", true], [".example", "a.example", true], ["example", "b.a.example", true], [".example", "example", true],
  ["ample", "a.example", false], ["b.a.example", "a.example", false], ["a.example", "a.example.org", false],
  ["a.example.", "a.example", true], ["a.example", "a.example.", true],
  ["b.example,a.example", "a.example", true], [" b.example , a.example ", "a.example", true], ["b.example a.example", "a.example", true],
  ["a.example:80", "a.example", true], ["a.example:80", "a.example:8080", false], ["a.example:8080", "a.example:8080", true],
  [".example:8080", "a.example:8080", true], ["a.example:443", "https://a.example", true], ["a.example:80", "https://a.example", false],
  ["127.0.0.1", "127.0.0.1", true], ["127.0.0.1", "127.0.0.1:8080", true], ["127.0.0.1:8080", "127.0.0.1", false], ["127.0.0.1", "127.0.0.11", false],
  ["0.0.1", "127.0.0.1", false], ["1", "127.0.0.1", false], ["127.0.0.1", "2130706433", true], ["localhost", "127.0.0.1", false],
  ["::1", "[::1]", true], ["[::1]", "[::1]:8080", true], ["[::1]:80", "[::1]", true], ["[::1]:81", "[::1]", false], ["::2", "[::1]", false],
  [":1", "[::1]", false], ["1", "[::1]", false], ["fe80::1:2", "[fe80::1:2]", true],
];

Deno.test("bypassesProxy knows domains, suffixes, addresses, ports and *", () => {
  for (const [noProxy, url, bypasses] of NO_PROXY) {
    assertEquals(bypassesProxy(noProxy, parseUrl(url)), bypasses, `${noProxy} ${url}`);
  }
});
