/**
 * What a downloaded file is called.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { fileName, partName, pathOf, plainPath } from "../../protocol/file_name.ts";
import { fc } from "../support/fuzz.ts";

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

Deno.test("fileName keeps what .part just fits behind, and the end of what is longer", () => {
  const named = (name: string) => fileName(new URL(`http://example.com/${name}`));
  const fits = `${"x".repeat(245)}.html`;
  assertEquals([named(fits), named(`x${fits}`)], [fits, fits]);
  assertEquals(named("x".repeat(251)), "x".repeat(250));
});

Deno.test("fileName is safe for any path", () => {
  const unit = fc.constantFrom(..."/.%25eaCON1:-? ", "%2f", "%2e", "%5c", "%00", "%0a", "ä", "😀");
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 400 }), (path) => {
      const name = fileName(new URL(`http://example.com/${path}`));
      assert(!/[\p{Cc}\p{Cf}/\\:*?"<>|]|[. ]$/u.test(name) && name !== "-" && name !== "", name);
    }),
    { numRuns: 500 },
  );
});

Deno.test("partName leaves room for the record, and tells long names that begin alike apart", () => {
  const name = (end: string) => `dir/${"é".repeat(125)}${end}`;
  const parts = ["a", "b", "ab", "ba"].map((end) => partName(name(end)));
  assertEquals(new Set(parts).size, 4);
  for (const part of parts) {
    assert(/^dir\/é+~[\da-f]+\.part$/.test(part), part);
    const { length } = new TextEncoder().encode(`${part}.json.new`.slice("dir/".length));
    assert(length <= 255, `${length} bytes`);
  }
  assertEquals(partName("dir/a.iso"), "dir/a.iso.part");
});

Deno.test("pathOf is the path of a URL, decoded where it can be", () => {
  assertEquals(pathOf(new URL("http://a.example/b%20c/%C3%A9/%zz/100%?d")), "/b c/é/%zz/100%");
});

Deno.test("plainPath makes two spellings of a path equal", () => {
  const plain = { "-": "-", "./f": "f", "d//./f": "d/f", "/tmp/../f": "/tmp/../f", "/a/./": "/a" };
  for (const [path, expected] of Object.entries(plain)) assertEquals(plainPath(path), expected);
});
