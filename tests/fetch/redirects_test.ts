/**
 * Redirects: where they lead, what they are told, and which are refused.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { CookieJar, request, type RequestOptions } from "../../fetch.ts";
import { writeAll } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { bytesOf } from "../support/bytes.ts";
import { get } from "../support/fetch.ts";
import { HELLO, redirect } from "../support/replies.ts";
import { clientEnds, FakeServer, readHead, replying, urlOf } from "../support/servers.ts";

/** RFC 3986 section 5.4, but for its `g:h`, which is no http. */
// deno-fmt-ignore
const REFERENCES: [reference: string, target: string][] = [
  ["g", "http://a/b/c/g"], ["./g", "http://a/b/c/g"], ["g/", "http://a/b/c/g/"], ["/g", "http://a/g"], ["//g", "http://g/"],
  ["?y", "http://a/b/c/d;p?y"], ["g?y", "http://a/b/c/g?y"], ["g#s", "http://a/b/c/g"], ["g?y#s", "http://a/b/c/g?y"],
  [";x", "http://a/b/c/;x"], ["g;x", "http://a/b/c/g;x"], ["g;x?y#s", "http://a/b/c/g;x?y"], [".", "http://a/b/c/"], ["./", "http://a/b/c/"],
  ["..", "http://a/b/"], ["../", "http://a/b/"], ["../g", "http://a/b/g"], ["../..", "http://a/"], ["../../", "http://a/"], ["../../g", "http://a/g"],
  ["../../../g", "http://a/g"], ["../../../../g", "http://a/g"], ["/./g", "http://a/g"], ["/../g", "http://a/g"], ["g.", "http://a/b/c/g."],
  [".g", "http://a/b/c/.g"], ["g..", "http://a/b/c/g.."], ["..g", "http://a/b/c/..g"], ["./../g", "http://a/b/g"], ["./g/.", "http://a/b/c/g/"],
  ["g/./h", "http://a/b/c/g/h"], ["g/../h", "http://a/b/c/h"], ["g;x=1/./y", "http://a/b/c/g;x=1/y"], ["g;x=1/../y", "http://a/b/c/y"],
  ["g?y/./x", "http://a/b/c/g?y/./x"], ["g?y/../x", "http://a/b/c/g?y/../x"], ["g#s/./x", "http://a/b/c/g"], ["http:g", "http://a/b/c/g"],
];

Deno.test("request resolves Location as RFC 3986 section 5.4 has it", async () => {
  let location = "";
  const heads: string[] = [];
  await using proxy = new FakeServer(replying((head) => {
    return head.startsWith("GET http://a/b/c/d;p?q ") ? redirect(location) : HELLO;
  }, heads));
  for (const [reference, target] of REFERENCES) {
    location = reference;
    await get("http://a/b/c/d;p?q", { proxy: urlOf(proxy) });
    assertEquals(heads.at(-1)!.split(" ")[1], target, reference);
  }
});

Deno.test("request keeps the fragment, unless Location has its own (RFC 9110 10.2.2)", async () => {
  await using server = new FakeServer(replying((head) => {
    return / \/[ab] /.test(head) ? redirect(head.includes("/a") ? "/c" : "/c#new") : HELLO;
  }));
  for (const [from, to] of [["/a#old", "/c#old"], ["/b#old", "/c#new"], ["/b", "/c#new"]]) {
    using response = await request(urlOf(server, from));
    assertEquals(response.url, urlOf(server, to));
    assertEquals(response.redirects, [
      { status: 302, from: urlOf(server, from), to: urlOf(server, to) },
    ]);
    assertEquals(response.timing.length, 2);
  }
});

const SECRETS: RequestOptions = {
  user: "ann:secret",
  headers: [
    ...["X-Token: secret", "Cookie: secret", "Proxy-Authorization: secret"],
    ...["Accept: text/x", "Range: bytes=0-3"],
  ],
  userAgent: "agent",
};

Deno.test("request gives another origin Accept, Range and User-Agent alone, and all to the same", async () => {
  const heads: string[] = [];
  await using other = new FakeServer(replying(HELLO, heads));
  await using server = new FakeServer(replying((head) => {
    const targets: Record<string, string> = {
      "/port": urlOf(other),
      "/host": `http://localhost:${server.port}/end`,
      "/same": "/end",
      "/there-and-back": `http://localhost:${server.port}/back`,
      "/back": urlOf(server, "/port"),
    };
    const [, target = ""] = head.split(" ");
    return target in targets ? redirect(targets[target]!) : HELLO;
  }, heads));
  for (const path of ["/port", "/host", "/there-and-back"]) {
    await get(urlOf(server, path), SECRETS);
    const last = heads.at(-1)!;
    assert(heads.at(-2)!.includes("X-Token: secret"));
    assert(!/secret|authorization|cookie|x-token/i.test(last), last);
    assertMatch(last, /^User-Agent: agent\r$/m);
    assertMatch(last, /^Accept: text\/x\r\nRange: bytes=0-3\r$/m);
  }
  await get(urlOf(server, "/same"), SECRETS);
  assertMatch(heads.at(-1)!, /^GET \/end .*\nAuthorization: Basic .*\nX-Token: secret\r\n/s);
});

Deno.test("request gives a redirect's own userinfo to its origin only", async () => {
  const heads: string[] = [];
  await using other = new FakeServer(replying(HELLO, heads));
  await using server = new FakeServer(
    replying(() => redirect(`http://bob:word@127.0.0.1:${other.port}/`)),
  );
  using response = await request(`http://ann:secret@127.0.0.1:${server.port}/`);
  assert(heads[0]!.includes(`Authorization: Basic ${btoa("bob:word")}\r\n`), heads[0]);
  assertEquals(response.url, urlOf(other));
  assertEquals(response.redirects[0]!.to, urlOf(other));
});

Deno.test("request keeps the userinfo of its URL as long as it stays at that origin", async () => {
  const heads: string[] = [];
  await using server: FakeServer = new FakeServer(
    replying((head) => head.includes(" /a ") ? redirect(urlOf(server, "/b")) : HELLO, heads),
  );
  await get(`http://ann:word@127.0.0.1:${server.port}/a`);
  assert(heads[1]!.includes(`Authorization: Basic ${btoa("ann:word")}\r\n`), heads[1]);
});

Deno.test("request gives a host that a redirect leads to no cookies but its own", async () => {
  const heads: string[] = [], cookies = new CookieJar();
  cookies.set(new URL("http://b.example/"), ["b=2"], new Date());
  await using proxy = new FakeServer(replying((head) => {
    if (head.includes("//b.example/")) return HELLO;
    return redirect("http://b.example/").replace("\r\n", "\r\nSet-Cookie: a=1\r\n");
  }, heads));
  await get("http://a.example/", { proxy: urlOf(proxy), cookies });
  assertEquals(heads.map((head) => /^Cookie: (.*)\r$/m.exec(head)?.[1]), [undefined, "b=2"]);
});

Deno.test("request tells its redirects and their times in their order", async () => {
  await using server = new FakeServer(replying((head) => {
    if (head.includes(" /c ")) return HELLO;
    return head.includes(" /b ") ? redirect("/c", "307 X") : redirect("/b", "301 X");
  }));
  using response = await request(urlOf(server, "/a"));
  const [a, b, c] = ["/a", "/b", "/c"].map((path) => urlOf(server, path)) as [
    string,
    string,
    string,
  ];
  const redirects = [{ status: 301, from: a, to: b }, { status: 307, from: b, to: c }];
  assertEquals([response.redirects, response.timing.map(({ url }) => url)], [redirects, [a, b, c]]);
});

Deno.test("request follows a redirect without reading its body", async () => {
  await using server = new FakeServer(async (conn) => {
    const head = await readHead(conn);
    if (head.includes(" /end ")) return await writeAll(conn, bytesOf(HELLO));
    await writeAll(conn, bytesOf("HTTP/1.1 301 Moved\r\nLocation: /end\r\n\r\nendless"));
    await clientEnds(conn);
  });
  assertEquals(await get(urlOf(server)), "hello");
});

Deno.test("request follows 20 redirects, or as many as it is told", async () => {
  let asked = 0;
  await using server = new FakeServer(replying(() => {
    asked++;
    return redirect(`/${asked}`);
  }));
  for (
    const [options, limit] of [[{}, 20], [{ maxRedirects: 3 }, 3], [
      { maxRedirects: 0 },
      0,
    ]] as const
  ) {
    asked = 0;
    const error = await rejectsWith(47, get(urlOf(server), options));
    assertEquals([error.message, error.topic], [`more than ${limit} redirects`, "redirects"]);
    assertEquals(asked, limit + 1);
  }
  using response = await request(urlOf(server), { follow: false });
  assertEquals(response.status, 302);
});

Deno.test("request ends loops with 47, of one URL and of two servers", async () => {
  await using a: FakeServer = new FakeServer(replying(() => redirect(urlOf(b))));
  await using b: FakeServer = new FakeServer(replying(() => redirect(urlOf(a))));
  await using self = new FakeServer(replying(redirect("/")));
  await rejectsWith(47, get(urlOf(a)));
  await rejectsWith(47, get(urlOf(self)));
});

// deno-fmt-ignore
const REFUSED: [location: string, code: number][] = [
  ["ftp://127.0.0.1/", 47], ["file:///etc/passwd", 47], ["javascript:alert(1)", 47], ["data:text/plain,x", 47], ["g:h", 47],
  ["http://127.0.0.1:65536/", 3], ["http://[::1/", 3], ["http:///:", 3], ["//", 3],
];

Deno.test("request refuses redirects that lead to no http URL", async (t) => {
  for (const [location, code] of REFUSED) {
    await t.step(location, async () => {
      await using server = new FakeServer(replying(redirect(location)));
      await rejectsWith(code, get(urlOf(server)));
    });
  }
});
