/**
 * What goes around a proxy.
 *
 * @module
 */
import { assertEquals } from "jsr:@std/assert@^1.0.0";
import { bypassesProxy, parseUrl } from "../../fetch.ts";

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
