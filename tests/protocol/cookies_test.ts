/**
 * Which cookies go back, where to, for how long and in which order; and what is refused.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { CookieJar, withCookies } from "../../protocol/cookies.ts";
import { fc } from "../support/fuzz.ts";

const NOW = new Date("2026-03-01T12:00:00Z");
const LOGIN = "https://example.com/login";

/** What `asked` is sent, after `from` has set these cookies. */
function sent(fields: string | string[], asked = LOGIN, from = LOGIN): string | undefined {
  const jar = new CookieJar();
  jar.set(new URL(from), [fields].flat(), NOW);
  return jar.header(new URL(asked), NOW);
}

Deno.test("CookieJar sends back what was set", () => {
  assertEquals(sent("id=7"), "id=7");
  assertEquals(sent(["id=7; HttpOnly; SameSite=Lax", "b=2"]), "id=7; b=2");
  assertEquals(sent(" id \t=  a b  ; Path = / "), "id=a b");
  assertEquals(sent('id="a, b"; x'), 'id="a, b"');
  assertEquals(sent("id=a=b=c"), "id=a=b=c");
  assertEquals(sent("id="), "id=");
  assertEquals(sent("id=\xc3\xa9\x80\xa0"), "id=\xc3\xa9\x80\xa0");
  assertEquals(new CookieJar().header(new URL(LOGIN), NOW), undefined);
});

Deno.test("CookieJar takes no cookie without name, with control characters or too large", () => {
  const bad = ["", "id", "=7", " = 7", ";id=7", "id", "a".repeat(4000) + "=" + "b".repeat(97)];
  for (const field of bad) assertEquals(sent(field), undefined, field);
  for (const char of ["\0", "\n", "\r", "\x1b", "\x7f"]) {
    assertEquals(sent(`id=7${char}`), undefined);
    assertEquals(sent(`id=7; Path=/${char}`), undefined);
    assertEquals(sent(`i${char}d=7`), undefined);
  }
  assertEquals(sent(`id=7; x=${"y".repeat(9000)}`), undefined);
  assertEquals(sent("a=" + "b".repeat(4095))?.length, 4097);
});

Deno.test("CookieJar sends a cookie to the host that set it only, whatever its Domain says", () => {
  for (const more of ["", "; Domain=example.com", "; Domain=.com", "; Domain=other.example"]) {
    const field = `id=7; Path=/${more}`;
    assertEquals(sent(field, "https://example.com/x"), "id=7");
    assertEquals(sent(field, "https://EXAMPLE.com:8443/x"), "id=7");
    for (const host of ["www.example.com", "com", "other.example", "example.com.", "127.0.0.1"]) {
      assertEquals(sent(field, `https://${host}/x`), undefined, host + more);
    }
  }
  assertEquals(sent("id=7", "http://[::1]/", "http://[0::1]:8080/"), "id=7");
});

Deno.test("CookieJar sends a cookie to its path and what is below it", () => {
  const goes = (path: string, asked: string, from = "/") =>
    sent(`id=7${path}`, `https://example.com${asked}`, `https://example.com${from}`) === "id=7";
  for (const asked of ["/a", "/a/", "/a/b", "/a?x"]) assert(goes("; Path=/a", asked), asked);
  for (const asked of ["/", "/ab", "/b/a", "/A"]) assert(!goes("; Path=/a", asked), asked);
  assert(goes("; Path=/a/", "/a/b"));
  assert(!goes("; Path=/a/", "/a"));
  assert(goes("; Path=/", "/any/thing"));
  for (const path of ["", "; Path=", "; Path=b", '; Path="/"', `; Path=/${"b".repeat(1024)}`]) {
    assert(goes(path, "/a/b", "/a/login"), path);
    assert(goes(path, "/a", "/a/login"), path);
    assert(!goes(path, "/b", "/a/login"), path);
    assert(goes(path, "/b", "/login"), path);
  }
  assertEquals(sent(["id=6; Path=/", "id=7"]), "id=7");
  assert(goes("; Path=/b; Path=/a", "/a"));
  assert(!goes("; Path=/b; Path=/a", "/b"));
});

Deno.test("CookieJar keeps secure cookies from http, in both directions", () => {
  const plain = "http://example.com/login";
  assertEquals(sent("id=7; Secure", plain), undefined);
  assertEquals(sent("id=7; secure=no", plain), undefined);
  assertEquals(sent("id=7; Secure", LOGIN, plain), undefined);
  assertEquals(sent("id=7", plain, LOGIN), "id=7");
  const jar = new CookieJar();
  jar.set(new URL(LOGIN), ["id=7; Secure; Path=/", "open=1"], NOW);
  jar.set(new URL(plain), ["id=8; Path=/", "id=9; Path=/login", "open=2"], NOW);
  assertEquals(jar.header(new URL(LOGIN), NOW), "id=7; open=2");
  jar.set(new URL(LOGIN), ["deep=1; Secure; Path=/a"], NOW);
  jar.set(new URL(plain), ["deep=2; Path=/"], NOW);
  assertEquals(jar.header(new URL("https://example.com/a"), NOW), "deep=1; id=7; open=2; deep=2");
  jar.set(new URL(plain), ["deep=; Path=/; Max-Age=0"], NOW);
  jar.set(new URL(LOGIN), ["id=8; Path=/"], NOW);
  assertEquals(jar.header(new URL(plain), NOW), "id=8; open=2");
});

Deno.test("CookieJar holds __Secure- and __Host- to their promise", () => {
  assertEquals(sent("__Secure-a=1; Secure"), "__Secure-a=1");
  assertEquals(sent("__Secure-a=1"), undefined);
  assertEquals(sent("__sEcUrE-a=1"), undefined);
  assertEquals(sent("__Host-a=1; Secure; Path=/"), "__Host-a=1");
  assertEquals(sent("__Host-a=1; Path=/"), undefined);
  assertEquals(sent("__Host-a=1; Secure"), undefined);
  assertEquals(sent("__Host-a=1; Secure; Path=/login"), undefined);
  assertEquals(sent("__host-a=1; Secure; Path=/; Domain=example.com"), undefined);
  assertEquals(sent("__Host-a=1; Secure; Path=/", LOGIN, "http://example.com/login"), undefined);
});

Deno.test("CookieJar ends a cookie when Max-Age says so, or else Expires", () => {
  const lasts = (attributes: string, seconds: number) => {
    const jar = new CookieJar();
    jar.set(new URL(LOGIN), [`id=7; ${attributes}`], NOW);
    return jar.header(new URL(LOGIN), new Date(NOW.getTime() + seconds * 1000)) === "id=7";
  };
  const ends = (attributes: string, seconds: number) =>
    lasts(attributes, seconds - 0.001) && !lasts(attributes, seconds);
  assert(ends("Max-Age=60", 60));
  assert(ends("Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", 60));
  assert(ends("Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", 60));
  for (
    const date of [
      "Sun, 01 Mar 2026 12:01:00 GMT",
      "Sunday, 01-Mar-26 12:01:00 GMT",
      "Sun, 01-Mar-2026 12:01:00 GMT",
      "Sun Mar  1 12:01:00 2026",
    ]
  ) assert(ends(`Expires=${date}`, 60), date);
  // what neither says cannot be read lasts as long as the run
  for (const attributes of ["", "Max-Age=", "Max-Age=1.5", "Max-Age=x", "Expires=0", "Expires"]) {
    assert(lasts(attributes, 1e9), attributes);
  }
  assert(lasts(`Max-Age=${"9".repeat(400)}`, 1e9));
});

Deno.test("CookieJar forgets a cookie that is set with an end in the past", () => {
  for (
    const attributes of [
      "Max-Age=0",
      "Max-Age=-1",
      `Max-Age=-${"9".repeat(400)}`,
      "Expires=Thu, 01 Jan 1970 00:00:00 GMT",
      "expires=Thu, 01-Jan-1970 00:00:01 GMT",
      "Expires=Thu, 01-Jan-70 00:00:01 GMT",
      "Expires=Thu, 01 Jan 1970 00:00:00 UTC",
    ]
  ) {
    assertEquals(sent(["id=7", `id=; ${attributes}`, "b=2"]), "b=2", attributes);
    assertEquals(sent(["id=7", `id=; Path=/other; ${attributes}`]), "id=7", attributes);
  }
});

Deno.test("CookieJar sends longer paths first, then what was set first", () => {
  const fields = ["a=1; Path=/", "b=2; Path=/x/y", "c=3; Path=/x", "d=4; Path=/x/y", "a=5; Path=/"];
  assertEquals(sent(fields, "https://example.com/x/y/z"), "b=2; d=4; c=3; a=5");
  assertEquals(sent(["id=1; Path=/", "id=2; Path=/x"], "https://example.com/x"), "id=2; id=1");
});

Deno.test("CookieJar keeps 50 cookies of a host, the last ones, and 1,000 in all", () => {
  const many = Array.from({ length: 60 }, (_, at) => `c${at}=1`);
  const jar = new CookieJar();
  const names = (url: string) =>
    (jar.header(new URL(url), NOW) ?? "").split("; ").map((pair) => pair.split("=")[0]);
  for (let host = 0; host < 30; host++) jar.set(new URL(`https://h${host}.example/`), many, NOW);
  assertEquals(names("https://h29.example/"), many.slice(10).map((pair) => pair.split("=")[0]));
  assertEquals(names("https://h10.example/").length, 50);
  assertEquals(names("https://h9.example/"), [""]);
});

Deno.test("CookieJar sends no more than a server takes", () => {
  const large = Array.from({ length: 5 }, (_, at) => `c${at}=${"x".repeat(3000)}`);
  const header = sent([...large, "small=1"])!;
  assert(header.length <= 8190);
  assertEquals(header.split("; ").map((pair) => pair.split("=")[0]), ["c0", "c1", "small"]);
});

Deno.test("CookieJar sends nothing that could end a line or the header, whatever is set", () => {
  const part = fc.string({
    unit: fc.constantFrom(...'aB=;," \t\r\n\0\x1b\x7f\x80\xff/-', "Path=/", "Max-Age=", "Secure"),
  });
  fc.assert(fc.property(fc.array(part, { maxLength: 5 }), (fields) => {
    const header = sent(fields) ?? "x=";
    assert(![...header].some((char) => char < " " && char !== "\t" || char === "\x7f"), header);
    assert(header.split("; ").every((pair) => /^[^=;]+=[^;]*$/.test(pair)), header);
  }));
});

Deno.test("withCookies has what servers set before what a user gave, each name once", () => {
  assertEquals(withCookies("id=7; a=1", "b=2;id=0;  c"), "id=7; a=1; b=2; c");
  assertEquals(withCookies("id=7", "id=0"), "id=7");
  assertEquals(withCookies("id=7", "ID=0"), "id=7; ID=0");
});

Deno.test("CookieJar is not slow with a field of spaces", () => {
  const started = performance.now();
  sent(`id=${" ".repeat(8000)}x; ${" ".repeat(250_000)}x`);
  sent(`id${" ".repeat(8000)}=7`);
  assert(performance.now() - started < 1000);
});
