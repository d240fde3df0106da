/**
 * `request`, `download` and the command line over real connections: redirects,
 * hostile servers, time limits, aborts and codings. The sanitizers prove that
 * nothing is left open or running.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { promisify } from "node:util";
import zlib from "node:zlib";
import {
  download,
  type DownloadOptions,
  type HttpResponse,
  request,
  type RequestOptions,
} from "../fetch.ts";
import { TrioError, VERSION, writeAll } from "../mod.ts";
import { Folder } from "./fetch_tools.ts";
import {
  bodyOf,
  bytesOf,
  CHUNKED,
  clientEnds,
  each,
  joined,
  OK,
  readHead,
  rejectsWith,
  replying,
  textOf,
} from "./replies.ts";
import { closedPort, denoArgs, FakeServer, type Finished, run, runScript } from "./testing.ts";

const HELLO = `${OK}Content-Length: 5\r\n\r\nhello`;

const TEXT = "hello, world\n";
const CODED: Record<string, Uint8Array> = {
  identity: bytesOf(TEXT),
  gzip: zlib.gzipSync(TEXT),
  deflate: zlib.deflateSync(TEXT),
  br: zlib.brotliCompressSync(TEXT),
};

function urlOf({ port }: { port: number }, path = "/"): string {
  return `http://127.0.0.1:${port}${path}`;
}

/** Requests a URL and reads the body. */
async function get(url: string | URL, options: RequestOptions = {}): Promise<string> {
  using response = await request(url, options);
  return await bodyOf(response);
}

/** Runs fetch.ts with arguments that come before those that all share. */
function fetch(...args: string[]): Promise<Finished> {
  return runScript("fetch.ts", ["--retry=0", ...args]);
}

function redirect(to: string): string {
  return `HTTP/1.1 302 Found\r\nLocation: ${to}\r\nContent-Length: 0\r\n\r\n`;
}

/** Waits until a client has closed its connection. */
async function soon(ended: Promise<void>) {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("the connection is still open")), 5000);
  await Promise.race([ended, late.promise]).finally(() => clearTimeout(timer));
}

// --- The request ------------------------------------------------------------

// deno-fmt-ignore
const REQUESTS: [what: string, path: string, options: RequestOptions, lines: (string | RegExp)[]][] = [
  ["the least", "/a?b#c", {}, ["GET /a?b HTTP/1.1", /^Host: 127\.0\.0\.1:\d+$/, `User-Agent: tcp-trio/${VERSION}`, "Accept: */*", "Connection: close"]],
  ["HEAD", "/", { method: "HEAD" }, ["HEAD / HTTP/1.1"]],
  ["an empty path", "", {}, ["GET / HTTP/1.1"]],
  ["a query alone", "?a b", {}, ["GET /?a%20b HTTP/1.1"]],
  ["what is not ASCII is encoded", "/ä", {}, ["GET /%C3%A4 HTTP/1.1"]],
  ["codings", "/", { compressed: true }, ["Accept-Encoding: gzip, deflate, br"]],
  ["a user", "/", { user: "ann:p:w ö" }, ["Authorization: Basic YW5uOnA6dyDDtg=="]],
  ["a user agent", "/", { userAgent: "x/1" }, ["User-Agent: x/1"]],
  ["headers", "/", { headers: ["A: b", "C:d", "E;", "A: ö"] }, ["A: b", "C: d", "E:", "A: \xc3\xb6"]],
  ["a header replaces its like", "/", { headers: ["user-agent: x", "HOST: h"] }, ["user-agent: x", "HOST: h"]],
  ["a range", "/", { offset: 5, ifRange: '"v"' }, ["Range: bytes=5-", 'If-Range: "v"']],
];

Deno.test("request sends what the options say", async (t) => {
  for (const [what, path, options, expected] of REQUESTS) {
    await t.step(what, async () => {
      const heads: string[] = [];
      await using server = new FakeServer(replying(HELLO, heads));
      await get(urlOf(server, path), options);
      const lines = heads[0]!.trimEnd().split("\r\n");
      for (const line of expected) {
        const found = lines.some((sent) =>
          line instanceof RegExp ? line.test(sent) : line === sent
        );
        assert(found, `${line} in ${heads[0]}`);
      }
      const names = lines.slice(1).map((line) => line.split(":")[0]!.toLowerCase());
      for (const once of ["host", "user-agent", "connection"]) {
        assertEquals(names.filter((name) => name === once).length, 1, heads[0]);
      }
    });
  }
});

Deno.test("request takes a header out that has no value", async () => {
  const heads: string[] = [];
  await using server = new FakeServer(replying(HELLO, heads));
  await get(urlOf(server), { headers: ["Accept:", "User-Agent:"] });
  assert(!/^(accept|user-agent)/im.test(heads[0]!), heads[0]);
});

Deno.test("request takes userinfo from the URL, decoded, and sends it nowhere else", async () => {
  const heads: string[] = [];
  await using server = new FakeServer(replying(HELLO, heads));
  using response = await request(`http://ann:p%40w@127.0.0.1:${server.port}/a`);
  assertMatch(heads[0]!, /^GET \/a HTTP/);
  assert(heads[0]!.includes(`Authorization: Basic ${btoa("ann:p@w")}\r\n`), heads[0]);
  assert(!heads[0]!.includes("p%40w"));
  assertEquals(response.url, urlOf(server, "/a"));
});

Deno.test("request gives status, headers, length, URL and the body in three ways", async () => {
  const reply =
    "HTTP/1.1 418 I'm a teapot\r\nA: b\r\na: c\r\nno token: d\r\nE: \xc3\xa4\xc3\xa0\r\n" +
    "Content-Length: 5\r\n\r\nhello";
  await using server = new FakeServer(replying(reply));
  {
    using response = await request(urlOf(server, "/x#y"));
    assertEquals([response.status, response.statusText, response.length], [418, "I'm a teapot", 5]);
    assertEquals([response.headers.get("a"), response.headers.get("e")], [
      "b, c",
      "\xc3\xa4\xc3\xa0",
    ]);
    assertEquals(response.url, urlOf(server, "/x#y"));
    assertEquals(response.head.fields.length, 5);
    assertEquals(await bodyOf(response), "hello");
    assertEquals(await response.read(new Uint8Array(9)), null);
  }
  {
    using response = await request(urlOf(server));
    assertEquals(await new Response(response.body as BodyInit).text(), "hello");
  }
  {
    using response = await request(urlOf(server));
    const parts = new Uint8Array(5);
    for (let at = 0; at < 5; at++) {
      assertEquals(await response.read(parts.subarray(at, at + 1)), 1);
    }
    assertEquals([await response.read(parts), new TextDecoder().decode(parts)], [null, "hello"]);
  }
});

Deno.test("HttpResponse closes the connection however its body is left", async (t) => {
  const ways: [string, (response: HttpResponse) => unknown][] = [
    ["cancel before the first read", (response) => response.body.cancel()],
    ["cancel a reader", async (response) => {
      const reader = response.body.getReader();
      await reader.read();
      await reader.cancel();
    }],
    ["leave the loop", async (response) => {
      for await (const _ of response.body) break;
    }],
    ["close", (response) => response.close()],
    ["close twice", (response) => (response.close(), response.close())],
    ["read to its end", async (response) => {
      while (await response.read(new Uint8Array(9)) !== null);
    }],
  ];
  for (const [what, leave] of ways) {
    for (const coding of ["identity", "gzip", "br"]) {
      await t.step(`${what}, ${coding}`, async () => {
        const ended = Promise.withResolvers<void>();
        const whole = what === "read to its end";
        const length = whole ? CODED[coding]!.length : 1e6;
        await using server = new FakeServer(async (conn) => {
          await readHead(conn);
          const head = `${OK}Content-Encoding: ${coding}\r\nContent-Length: ${length}\r\n\r\n`;
          await writeAll(conn, joined(head, CODED[coding]!));
          await clientEnds(conn);
          ended.resolve();
        });
        const response = await request(urlOf(server), { compressed: true });
        await leave(response);
        await soon(ended.promise);
      });
    }
  }
});

// --- Redirects --------------------------------------------------------------

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
  headers: ["X-Token: secret", "Cookie: secret", "Proxy-Authorization: secret", "Accept: text/x"],
  userAgent: "agent",
};

Deno.test("request gives no secret and no -H line to another origin, and all to the same", async () => {
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
    assert(!/secret|authorization|cookie|x-token|text\/x/i.test(last), last);
    assertMatch(last, /^User-Agent: agent\r$/m);
    assertMatch(last, /^Accept: \*\/\*\r$/m);
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
    await rejectsWith(47, get(urlOf(server), options), "--max-redirs");
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

// --- Replies cut short ------------------------------------------------------

const CUT: [what: string, reply: Uint8Array][] = [
  ["Content-Length", bytesOf(HELLO)],
  ["chunked", bytesOf(`${CHUNKED}3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nA: b\r\n\r\n`)],
  ...["gzip", "deflate", "br"].map((coding): [string, Uint8Array] => {
    const body = CODED[coding]!;
    const fields = `Content-Encoding: ${coding}\r\nContent-Length: ${body.length}`;
    return [`${coding} by length`, joined(`${OK}${fields}\r\n\r\n`, body)];
  }),
  [
    "gzip, chunked",
    joined(`${OK}Transfer-Encoding: gzip, chunked\r\n\r\n21\r\n`, CODED["gzip"]!, "\r\n0\r\n\r\n"),
  ],
];

Deno.test("download never succeeds with a reply cut at any byte", async (t) => {
  for (const [what, reply] of CUT) {
    await t.step(what, async () => {
      await using folder = new Folder();
      await using server = new FakeServer(replying((head) => {
        return reply.subarray(0, Number(head.split(" ")[1]!.slice(1)));
      }));
      const options = { output: folder.file("f"), retry: 0, compressed: true };
      for (let cut = 0; cut < reply.length; cut++) {
        const error = await assertRejects(
          () => download(urlOf(server, `/${cut}`), options),
          TrioError,
          undefined,
          `${cut} of ${reply.length} bytes`,
        );
        assert([18, 52, 56].includes(error.code), `${error.code} after ${cut}: ${error.message}`);
        assert(!folder.names.includes("f"), `a file after ${cut}`);
        for (const name of folder.names) Deno.removeSync(folder.file(name));
      }
      await download(urlOf(server, `/${reply.length}`), options);
      assert(folder.text("f").startsWith("hello"));
    });
  }
});

Deno.test("download takes a coded body that EOF frames for complete at its own end only", async () => {
  for (const coding of ["gzip", "deflate", "br"]) {
    const reply = joined(`${OK}Content-Encoding: ${coding}\r\n\r\n`, CODED[coding]!);
    const start = reply.length - CODED[coding]!.length;
    await using folder = new Folder();
    await using server = new FakeServer(replying((head) => {
      return reply.subarray(0, Number(head.split(" ")[1]!.slice(1)));
    }));
    const get = (cut: number) => {
      const output = folder.file(`${cut}`);
      return download(urlOf(server, `/${cut}`), { output, retry: 0, compressed: true });
    };
    for (let cut = start + 1; cut < reply.length; cut++) await rejectsWith(61, get(cut));
    await get(reply.length);
    assertEquals(folder.text(`${reply.length}`), TEXT);
  }
});

Deno.test("request takes a reset for an end only if the body was complete", async (t) => {
  const replies: [string, string, number][] = [
    ["by length", HELLO, 0],
    ["by length, cut short", HELLO.slice(0, -1), 56],
    ["until EOF", `${OK}\r\nhello`, 56],
    ["in the head", OK, 56],
    ["before all", "", 56],
  ];
  for (const [what, reply, code] of replies) {
    await t.step(what, async () => {
      // Deno.Conn has no way to reset a connection
      await using server = createServer((socket) => {
        socket.once("data", () => socket.write(reply, () => socket.resetAndDestroy()));
      });
      await once(server.listen(0, "127.0.0.1"), "listening");
      const url = urlOf(server.address() as AddressInfo);
      if (code) await rejectsWith(code, get(url));
      else assertEquals(await get(url), "hello");
    });
  }
});

// --- Hostile servers --------------------------------------------------------

/** What never ends, as `request` meets it. */
const ENDLESS: [what: string, start: string, piece: string][] = [
  ["a head of 100 MB", `${OK}A: `, "b".repeat(65536)],
  ["10^6 header fields", OK, "A: b\r\n".repeat(10_000)],
  ["interim replies", "", "HTTP/1.1 100 Continue\r\n\r\n".repeat(100)],
  ["a status line", "HTTP/1.1 200 ", "a".repeat(65536)],
  ["something else", "220 ftp", " welcome\r\n".repeat(1000)],
  ["a chunk's extension", `${CHUNKED}5;`, "a".repeat(65536)],
  ["trailers", `${CHUNKED}0\r\n`, "A: b\r\n".repeat(10_000)],
];

Deno.test("request gives up on what never ends, and closes the connection", async (t) => {
  for (const [what, start, piece] of ENDLESS) {
    await t.step(what, async () => {
      const broke = Promise.withResolvers<number>();
      await using server = new FakeServer(async (conn) => {
        await readHead(conn);
        let sent = 0;
        try {
          await writeAll(conn, bytesOf(start));
          for (const bytes = bytesOf(piece); sent < 1e8; sent += bytes.length) {
            await writeAll(conn, bytes);
          }
        } finally {
          broke.resolve(sent);
        }
      });
      await rejectsWith(8, get(urlOf(server)));
      // what the kernel holds for a reader is no more than this
      assert(await broke.promise < 32 * 1024 * 1024);
    });
  }
});

const ESC = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f";

/** Replies with bytes that a terminal would obey. */
// deno-fmt-ignore
const ESCAPES: [what: string, code: number, reply: string, ...args: string[]][] = [
  ["a reason phrase", 0, `HTTP/1.1 200 ${ESC}\r\nContent-Length: 0\r\n\r\n`],
  ["values, Latin-1 and UTF-8", 0, `${OK}A: ${ESC}\r\nB: \xc2\x9b31m\xe2\x82\xac\r\nC: a\rb\r\nContent-Length: 0\r\n\r\n`],
  ["names", 0, `${OK}A${ESC}: b\r\nContent-Length: 0\r\n\r\n`],
  ["HEAD", 0, `${OK}A${ESC}: ${ESC}\r\n\r\n`, "--head"],
  ["the dialogue", 0, `HTTP/1.1 103 ${ESC}\r\n\r\n${OK}A: ${ESC}\r\nContent-Length: 0\r\n\r\n`, "--verbose"],
  ["JSON", 0, `HTTP/1.1 200 ${ESC}\r\nA${ESC}: ${ESC}\r\nContent-Length: 0\r\n\r\n`, "--json"],
  ["a status of 400 or more", 22, `HTTP/1.1 404 ${ESC}\r\nContent-Length: 0\r\n\r\n`],
  ["a status of 400 or more, JSON", 22, `HTTP/1.1 404 ${ESC}\r\nContent-Length: 0\r\n\r\n`, "--json"],
  ["another protocol", 8, `SSH${ESC}\r\n\r\n`],
  ["a status line", 8, `HTTP/1.1 ${ESC}\r\n\r\n`],
  ["a line without colon", 8, `${OK}${ESC}\r\n\r\n`],
  ["a length", 8, `${OK}Content-Length: ${ESC}\r\n\r\n`],
  ["a transfer coding", 61, `${OK}Transfer-Encoding: ${ESC}\r\n\r\n`],
  ["a content coding", 61, `${OK}Content-Encoding: ${ESC}\r\n\r\nhello`, "--compressed"],
  ["a redirect to no http", 47, redirect(`x:${ESC}`)],
  ["a redirect to no URL", 3, redirect(`http://[${ESC}`)],
  ["a redirect to no host", 6, redirect(`http://${"a".repeat(64)}.example/${ESC}`), "--verbose"],
];

Deno.test("fetch.ts shows no control bytes of a server", async (t) => {
  await using folder = new Folder();
  await using server = new FakeServer(replying((head) => {
    return ESCAPES[Number(head.split(" ")[1]!.slice(1))]![2];
  }));
  const results = await each([...ESCAPES.entries()], ([at, [, , , ...args]]) => {
    return fetch(...args, `--output=${folder.file(`${at}`)}`, urlOf(server, `/${at}`));
  });
  for (const [at, { code, stdout, stderr }] of results.entries()) {
    const [what, expected] = ESCAPES[at]!;
    await t.step(what, () => {
      const shown = stdout + stderr;
      assertEquals(code, expected, shown);
      assert(!/[^\P{Cc}\n\t]/u.test(shown), JSON.stringify(shown));
      if (code > 0) assertMatch(stderr, /^fetch: .*\n$/m);
    });
  }
});

/** What fetch.ts is asked for, with secrets in it. */
// deno-fmt-ignore
const WITH_SECRETS: [what: string, code: number, ...args: string[]][] = [
  ["the dialogue", 0, "-v", "-u", "ann:secret", "-H", "Cookie: secret", "http://ann:secret@HOST/"],
  ["the dialogue with a header", 0, "-v", "-H", "Authorization: secret", "http://ann:secret@HOST/"],
  ["JSON", 0, "--json", "--timing", "http://ann:secret@HOST/"],
  ["JSON over a redirect", 0, "--json", "http://ann:secret@HOST/redirect"],
  ["the dialogue of a redirect", 0, "-v", "http://ann:secret@HOST/redirect"],
  ["HEAD", 0, "-I", "--no-location", "http://ann:secret@HOST/redirect"],
  ["a proxy", 0, "-v", "-x", "http://ann:secret@HOST", "http://bob:secret@a.example/"],
  ["a status of 400 or more", 22, "http://ann:secret@HOST/404"],
  ["a status of 400 or more, JSON", 22, "--json", "http://ann:secret@HOST/404"],
  ["a refused redirect", 47, "http://ann:secret@HOST/refused"],
  ["a loop", 47, "-v", "http://ann:secret@HOST/loop"],
  ["a bad reply", 8, "http://ann:secret@HOST/bad"],
  ["nobody there", 7, "http://ann:secret@CLOSED/"],
  ["a proxy that is not there", 7, "-x", "http://ann:secret@CLOSED", "http://bob:secret@HOST/"],
  ["a host that is not known", 6, "-v", `http://ann:secret@${"a".repeat(64)}.example/`],
  ["a port that is none", 3, "http://ann:secret@HOST:x/"],
  ["a scheme that is none", 1, "ftp://ann:secret@HOST/"],
  ["a password with a slash", 3, "http://ann:p/secret@HOST/"],
  ["a proxy that is none", 3, "-x", "http://ann:secret@HOST:x", "http://HOST/"],
  ["a proxy of another kind", 1, "-x", "socks5://ann:secret@HOST", "http://HOST/"],
  ["a user without password", 2, "-u", "secret", "http://HOST/"],
  ["a header without colon", 2, "-H", "Authorization Bearer secret", "http://HOST/"],
  ["a header with a line end", 2, "-H", "Authorization: secret\r\nA: b", "http://HOST/"],
];

Deno.test("fetch.ts never shows a secret", async (t) => {
  const heads: string[] = [];
  await using folder = new Folder();
  await using server = new FakeServer(replying((head) => {
    const at = `http://eve:secret@127.0.0.1:${server.port}`;
    const replies: Record<string, string> = {
      "/redirect": redirect(`${at}/`),
      "/loop": redirect(`${at}/loop`),
      "/refused": redirect("ftp://ann:secret@a.example/"),
      "/404": "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
      "/bad": "HTTP/1.1 abc\r\n\r\n",
    };
    return replies[head.split(" ")[1]!] ?? HELLO;
  }, heads));
  const hosts = { HOST: `127.0.0.1:${server.port}`, CLOSED: `127.0.0.1:${closedPort()}` };
  const results = await each([...WITH_SECRETS.entries()], ([at, [, , ...words]]) => {
    const args = words.map((word) => word.replace(/HOST|CLOSED/, (name) => hosts[name as "HOST"]));
    return fetch(`--output=${folder.file(`${at}`)}`, ...args);
  });
  for (const [at, { code, stdout, stderr }] of results.entries()) {
    const [what, expected] = WITH_SECRETS[at]!;
    await t.step(what, () => {
      const shown = stdout + stderr;
      assertEquals(code, expected, shown);
      assert(!/secret|c2VjcmV0|OnNlY3JldA|zZWNyZX/.test(shown), shown);
    });
  }
  // they were sent where they belong
  assert(heads.some((head) => head.includes(`\nAuthorization: Basic ${btoa("ann:secret")}`)));
  assert(heads.some((head) => head.includes(`\nProxy-Authorization: Basic ${btoa("ann:secret")}`)));
});

Deno.test("request refuses CR, LF and NUL in all that it sends, before it connects", async (t) => {
  let connections = 0;
  await using server = new FakeServer(async (conn) => {
    connections++;
    await clientEnds(conn);
  });
  const url = urlOf(server), proxy = url;
  for (
    const end of ["\r\nX: y", "\nX: y", "\rX: y", "\0X", "\r\n\r\nGET / HTTP/1.1", "\r\n", "\n"]
  ) {
    const tries: [what: string, url: string, options: RequestOptions][] = [
      ["the URL", `${url}${end}`, {}],
      ["the host", `http://127.0.0.1${end}:${server.port}/`, {}],
      ["a header", url, { headers: [`A: b${end}`] }],
      ["the begin of a header", url, { headers: [`A:${end}`] }],
      ["a header's name", url, { headers: [`A${end}: b`] }],
      ["the user agent", url, { userAgent: `a${end}` }],
      ["the validator", url, { offset: 1, ifRange: `"a${end}"` }],
      ["the user agent for a proxy", "https://a.example/", { userAgent: `a${end}`, proxy }],
      ["the URL for a proxy", `http://a.example/${end}`, { proxy }],
      ["the URL of a proxy", "http://a.example/", { proxy: `${proxy}${end}` }],
    ];
    for (const [what, url, options] of tries) {
      await t.step(`${what}: ${JSON.stringify(end)}`, async () => {
        await rejectsWith(2, get(url, { ...options, connectTimeout: 1, stallTimeout: 1 }));
      });
    }
  }
  assertEquals(connections, 0);
});

Deno.test("request encodes what a user or a password has, and sends it in one line", async () => {
  const heads: string[] = [];
  await using server = new FakeServer(replying(HELLO, heads));
  await get(urlOf(server), { user: "ann:a\r\nX: y\0" });
  await get(`http://ann:a%0d%0aX:%20y%00@127.0.0.1:${server.port}/`);
  for (const head of heads) {
    assert(head.includes(`Authorization: Basic ${btoa("ann:a\r\nX: y\0")}\r\n`), head);
  }
});

Deno.test("request lets no Location inject a line", async () => {
  const heads: string[] = [];
  await using server = new FakeServer(replying((head) => {
    return head.includes(" /a ") ? redirect("/b%0d%0aX: y\rZ: z\tq") : HELLO;
  }, heads));
  await get(urlOf(server, "/a"));
  assertMatch(heads[1]!, /^GET \/b%0d%0aX:%20y%20Z:%20z\S* HTTP\/1.1\r\n/);
  assert(!/^(X|Z):/m.test(heads[1]!), heads[1]);
});

// --- Time limits ------------------------------------------------------------

/** Short enough for a test, long enough for a loopback connection. */
const LIMIT_S = 0.1;

/** A moment at which a server keeps a client waiting, and the limit for it. */
interface Stage {
  what: string;
  /** `HOST` is the server. */
  url: string;
  proxy?: string;
  limit: "connect-timeout" | "stall-timeout" | "max-time";
  /** Whether this is in the handshake: there, Deno 2.9 closes only when the peer does. */
  handshake?: true;
  serve(conn: Deno.Conn): Promise<void>;
}

/** Reads what comes first, sends `reply` and then nothing. */
function stopsAfter(reply: string): (conn: Deno.Conn) => Promise<void> {
  return async (conn) => {
    await conn.read(new Uint8Array(4096));
    await writeAll(conn, bytesOf(reply));
    await clientEnds(conn);
  };
}

/** Sends `reply` and then `piece` again and again, byte by byte. */
function dripsAfter(reply: string, piece: string): (conn: Deno.Conn) => Promise<void> {
  return async (conn) => {
    await readHead(conn);
    await writeAll(conn, bytesOf(reply));
    for (;;) await drip(conn, piece);
  };
}

/** Sends one byte after the other, each in a segment of its own. */
async function drip(conn: Deno.Conn, text: string) {
  for (const byte of bytesOf(text)) {
    await writeAll(conn, Uint8Array.of(byte));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A handshake record of 16 KiB, of which only the header comes. */
const RECORD = "\x16\x03\x03\x40\0";
const A_PROXY = { url: "https://a.example/", proxy: "http://HOST" };

// deno-fmt-ignore
const STAGES: Stage[] = [
  { what: "the reply does not come", url: "http://HOST/", limit: "stall-timeout", serve: clientEnds },
  { what: "the handshake does not come", url: "https://HOST/", handshake: true, limit: "connect-timeout", serve: clientEnds },
  { what: "the handshake stops", url: "https://HOST/", handshake: true, limit: "connect-timeout", serve: stopsAfter(RECORD) },
  { what: "the proxy does not answer", ...A_PROXY, limit: "connect-timeout", serve: clientEnds },
  { what: "the proxy's answer comes byte by byte", ...A_PROXY, limit: "connect-timeout", serve: dripsAfter(OK, "A: b\r\n") },
  { what: "the handshake through a proxy does not come", ...A_PROXY, handshake: true, limit: "connect-timeout", serve: stopsAfter(`${OK}\r\n`) },
  { what: "the head stops", url: "http://HOST/", limit: "stall-timeout", serve: stopsAfter(OK) },
  { what: "the head comes byte by byte", url: "http://HOST/", limit: "stall-timeout", serve: dripsAfter(OK, "A: b\r\n") },
  { what: "nothing follows an interim reply", url: "http://HOST/", limit: "stall-timeout", serve: stopsAfter("HTTP/1.1 100 A\r\n\r\n") },
  { what: "the body does not come", url: "http://HOST/", limit: "stall-timeout", serve: stopsAfter(`${OK}\r\n`) },
  { what: "the body stops", url: "http://HOST/", limit: "stall-timeout", serve: stopsAfter(`${OK}Content-Length: 9\r\n\r\nhello`) },
  { what: "a chunk stops", url: "http://HOST/", limit: "stall-timeout", serve: stopsAfter(`${CHUNKED}5\r\nhel`) },
  { what: "the last chunk does not come", url: "http://HOST/", limit: "stall-timeout", serve: stopsAfter(`${CHUNKED}5\r\nhello\r\n`) },
  { what: "the trailers do not end", url: "http://HOST/", limit: "stall-timeout", serve: stopsAfter(`${CHUNKED}0\r\nA: b\r\n`) },
  { what: "a body with a coding stops", url: "http://HOST/", limit: "stall-timeout", serve: stopsAfter(`${OK}Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08`) },
  { what: "the body comes byte by byte", url: "http://HOST/", limit: "max-time", serve: dripsAfter(`${OK}\r\n`, "hello") },
];

const LIMITED = STAGES.flatMap((stage) => {
  const limits = new Set([stage.limit, "max-time" as const]);
  return [...limits].map((limit) => ({ ...stage, limit, what: `${stage.what}, --${limit}` }));
});

Deno.test("request ends with 28 when a limit passes, and closes the connection", async (t) => {
  for (const { what, url, proxy, limit, handshake, serve } of LIMITED) {
    await t.step(what, async () => {
      const ended = Promise.withResolvers<void>();
      await using server = new FakeServer((conn) => serve(conn).finally(ended.resolve));
      const here = (text: string) => text.replace("HOST", `127.0.0.1:${server.port}`);
      const getting = get(here(url), {
        proxy: proxy && here(proxy),
        compressed: true,
        connectTimeout: limit === "connect-timeout" ? LIMIT_S : 5,
        stallTimeout: limit === "stall-timeout" ? LIMIT_S : 5,
        maxTime: limit === "max-time" ? LIMIT_S : 5,
      });
      await rejectsWith(28, getting, `--${limit}`);
      if (!handshake) await soon(ended.promise);
    });
  }
});

Deno.test("fetch.ts ends with 28 when a limit passes, and says which", async (t) => {
  await using folder = new Folder();
  const results = await each([...LIMITED.entries()], async ([at, stage]) => {
    await using server = new FakeServer(stage.serve);
    const here = (text: string) => text.replace("HOST", `127.0.0.1:${server.port}`);
    return await fetch(
      ...[`--${stage.limit}=${LIMIT_S}`, "--compressed", `--output=${folder.file(`${at}`)}`],
      ...[...stage.proxy ? ["--proxy", here(stage.proxy)] : [], here(stage.url)],
    );
  });
  for (const [at, { code, stderr }] of results.entries()) {
    const { what, limit } = LIMITED[at]!;
    await t.step(what, () => {
      assertEquals(code, 28, stderr);
      assertMatch(stderr, new RegExp(`^fetch: .*--${limit}.*\n$`));
    });
  }
});

/** A listener whose queue is full: who connects hears nothing. */
class FullListener implements Disposable {
  #listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
  #queue: Deno.Conn[] = [];
  readonly port = this.#listener.addr.port;

  static async start(): Promise<FullListener> {
    const listener = new FullListener();
    const { port } = listener;
    // a queue of 1 holds 2
    for (let n = 0; n < 2; n++) listener.#queue.push(await Deno.connect({ port }));
    return listener;
  }

  [Symbol.dispose]() {
    for (const conn of this.#queue) conn.close();
    this.#listener.close();
  }
}

Deno.test("request ends with 28 when nobody takes the connection", async () => {
  using listener = await FullListener.start();
  const url = urlOf(listener);
  await rejectsWith(28, get(url, { connectTimeout: LIMIT_S }), "--connect-timeout");
  await rejectsWith(28, get(url, { maxTime: LIMIT_S }), "--max-time");
});

Deno.test("request gives each redirect its own time, within --max-time", async () => {
  await using server = new FakeServer(async (conn) => {
    const [, path = ""] = (await readHead(conn)).split(" ");
    await drip(conn, "HTTP/1.1 ");
    const reply = path === "/4" ? HELLO : redirect(`/${Number(path.slice(1)) + 1}`);
    await writeAll(conn, bytesOf(reply.slice("HTTP/1.1 ".length)));
  });
  const url = urlOf(server, "/0");
  assertEquals(await get(url, { stallTimeout: 0.6, connectTimeout: 0.6 }), "hello");
  await rejectsWith(28, get(url, { maxTime: 0.6 }), "--max-time");
});

Deno.test("request waits on while interim replies come (RFC 9110 15.2)", async () => {
  await using server = new FakeServer(async (conn) => {
    await readHead(conn);
    for (let left = 3; left > 0; left--) {
      await new Promise((resolve) => setTimeout(resolve, 400));
      await writeAll(conn, bytesOf("HTTP/1.1 102 Processing\r\n\r\n"));
    }
    await writeAll(conn, bytesOf(HELLO));
  });
  assertEquals(await get(urlOf(server), { stallTimeout: 0.9 }), "hello");
});

// --- Aborts -----------------------------------------------------------------

/** A moment at which a caller aborts: when the server has said what it says. */
// deno-fmt-ignore
const ABORTS: [what: string, url: string, proxy: string | undefined, reply: string][] = [
  ["in the handshake", "https://HOST/", undefined, ""],
  ["in the middle of the handshake", "https://HOST/", undefined, RECORD],
  ["while a proxy is asked", "https://a.example/", "http://HOST", ""],
  ["in the handshake through a proxy", "https://a.example/", "http://HOST", `${OK}\r\n`],
  ["before the head", "http://HOST/", undefined, ""],
  ["in the head", "http://HOST/", undefined, OK],
  ["after an interim reply", "http://HOST/", undefined, "HTTP/1.1 100 A\r\n\r\n"],
  ["after a redirect", "http://HOST/", undefined, "HTTP/1.1 302 A\r\nLocation: /b\r\n\r\n"],
  ["in the body", "http://HOST/", undefined, `${OK}\r\nhello`],
];

Deno.test("request is ended by its signal at any moment, with its reason", async (t) => {
  for (const [what, url, proxy, reply] of ABORTS) {
    await t.step(what, async () => {
      const abort = new AbortController(), reason = new Error("enough");
      const ended = Promise.withResolvers<void>();
      await using server = new FakeServer(async (conn, count) => {
        await conn.read(new Uint8Array(4096));
        if (count === 1) await writeAll(conn, bytesOf(reply));
        setTimeout(() => abort.abort(reason));
        await clientEnds(conn);
        ended.resolve();
      });
      const here = (text: string) => text.replace("HOST", `127.0.0.1:${server.port}`);
      const options = { signal: abort.signal, proxy: proxy && here(proxy) };
      const error = await assertRejects(() => get(here(url), options), Error);
      assert(error === reason, `${error}`);
      if (!what.includes("handshake")) await soon(ended.promise); // see Stage.handshake
    });
  }
});

Deno.test("request is ended by a signal that was aborted before", async () => {
  let connections = 0;
  await using server = new FakeServer(() => void connections++);
  const options = { signal: AbortSignal.abort() };
  const error = await assertRejects(() => request(urlOf(server), options), DOMException);
  assertEquals([error.name, connections], ["AbortError", 0]);
});

Deno.test("request is ended by its signal in the lookup and while it connects", async () => {
  using listener = await FullListener.start();
  for (const host of ["localhost", "127.0.0.1"]) {
    const abort = new AbortController(), reason = new Error("enough");
    const onConnect = () => void setTimeout(() => abort.abort(reason));
    const url = `http://${host}:${listener.port}/`;
    const error = await assertRejects(
      () => request(url, { signal: abort.signal, onConnect }),
      Error,
    );
    assert(error === reason, `${error}`);
  }
});

Deno.test("HttpResponse is ended by the signal in a body with any coding", async (t) => {
  for (const [coding, body] of Object.entries(CODED)) {
    await t.step(coding, async () => {
      const abort = new AbortController(), reason = new Error("enough");
      const ended = Promise.withResolvers<void>();
      await using server = new FakeServer(async (conn) => {
        await readHead(conn);
        const head = `${OK}Content-Encoding: ${coding}\r\n\r\n`;
        await writeAll(conn, joined(head, body.subarray(0, -1)));
        await clientEnds(conn);
        ended.resolve();
      });
      using response = await request(urlOf(server), { signal: abort.signal, compressed: true });
      const reading = (async () => {
        while (await response.read(new Uint8Array(99)) !== null);
      })();
      setTimeout(() => abort.abort(reason));
      const error = await assertRejects(() => reading, Error);
      assert(error === reason, `${error}`);
      await soon(ended.promise);
    });
  }
});

Deno.test("request does not mind an abort after its end", async () => {
  const abort = new AbortController();
  await using server = new FakeServer(replying(HELLO));
  using response = await request(urlOf(server), { signal: abort.signal });
  assertEquals(await bodyOf(response), "hello");
  abort.abort();
  assertEquals(await response.read(new Uint8Array(9)), null);
});

Deno.test("download is ended by its signal while it waits to try again", async () => {
  const abort = new AbortController(), reason = new Error("enough");
  await using folder = new Folder();
  await using server = new FakeServer(
    replying("HTTP/1.1 503 Busy\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n"),
  );
  const options: DownloadOptions = {
    output: folder.file("f"),
    signal: abort.signal,
    onRetry: () => void setTimeout(() => abort.abort(reason)),
  };
  const error = await assertRejects(() => download(urlOf(server), options), Error);
  assert(error === reason, `${error}`);
});

/** Sends zeros for as long as the client takes them. */
async function endless(conn: Deno.Conn) {
  await readHead(conn);
  await writeAll(conn, bytesOf(`${OK}\r\n`));
  for (const bytes = new Uint8Array(65536);;) await writeAll(conn, bytes);
}

Deno.test("download is ended by its signal while the output takes nothing", async () => {
  const abort = new AbortController(), reason = new Error("enough");
  const ended = Promise.withResolvers<void>();
  await using folder = new Folder();
  const output = folder.file("pipe");
  assertEquals((await run("mkfifo", [output])).code, 0);
  await using server = new FakeServer((conn) => endless(conn).finally(ended.resolve));
  const progress = { bytes: 0, resumed: 0 };
  const downloading = download(urlOf(server), { output, progress, signal: abort.signal });
  using pipe = await Deno.open(output, { read: true });
  // the pipe is full when the bytes do not grow any more
  let before = 0;
  const full = setInterval(() => {
    if (progress.bytes > 0 && progress.bytes === before) abort.abort(reason);
    before = progress.bytes;
  }, 50);
  const error = await assertRejects(() => downloading, Error);
  clearInterval(full);
  assert(error === reason, `${error}`);
  await soon(ended.promise);
  // the write that was under way ends when somebody reads
  while (await pipe.read(new Uint8Array(65536)) !== null);
});

Deno.test("fetch.ts ends with 28 at --max-time while stdout takes nothing", async () => {
  await using server = new FakeServer(endless);
  const args = denoArgs("fetch.ts", ["--output=-", "--max-time=1", urlOf(server)]);
  const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "piped" })
    .spawn();
  assertEquals((await child.status).code, 28);
  await child.stdout.cancel();
  assertMatch(await new Response(child.stderr).text(), /^fetch: timed out: .*--max-time.*\n$/m);
});

// --- Codings ----------------------------------------------------------------

/** What is read into; also what stands behind the end of a coding. */
const BUFFER = new Uint8Array(1024 * 1024);
/** 256 MiB of zeros. */
const BOMB_SIZE = 256 * 1024 * 1024;

/** Bombs of each coding, some hundred bytes to some hundred kilobytes. */
async function bombs(): Promise<Record<string, Uint8Array>> {
  const zeros = new Uint8Array(BOMB_SIZE);
  const few = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } };
  const [gzip, deflate, br] = await Promise.all([
    promisify(zlib.gzip)(zeros, { level: 1 }),
    promisify(zlib.deflate)(zeros, { level: 1 }),
    promisify(zlib.brotliCompress)(zeros, few),
  ]);
  return { gzip, deflate, br };
}

Deno.test("request undoes codings in flat memory, and --max-filesize counts what is written", async (t) => {
  for (const [coding, bomb] of Object.entries(await bombs())) {
    await t.step(`${coding}, ${bomb.length} bytes`, async () => {
      await using folder = new Folder();
      const head = `${OK}Content-Encoding: ${coding}\r\nContent-Length: ${bomb.length}\r\n\r\n`;
      await using server = new FakeServer(replying(joined(head, bomb)));
      const before = Deno.memoryUsage().rss;
      using response = await request(urlOf(server), { compressed: true });
      let size = 0, peak = 0;
      for (let n: number | null; (n = await response.read(BUFFER)) !== null; size += n) {
        peak = Math.max(peak, Deno.memoryUsage().rss);
      }
      assertEquals(size, BOMB_SIZE);
      assert(peak - before < BOMB_SIZE / 2, `${(peak - before) >> 20} MiB more`);

      const options = { output: folder.file("f"), compressed: true, maxFilesize: 1e6 };
      await rejectsWith(63, download(urlOf(server), options));
      for (const name of folder.names) assert(Deno.statSync(folder.file(name)).size <= 1e6);
    });
  }
});

/** Undone by `compressed`; or the exit code. */
// deno-fmt-ignore
const CODINGS: [section: string, what: string, coding: string, body: Uint8Array, expected: string | number][] = [
  ["9110 8.4.1.3", "gzip", "gzip", CODED["gzip"]!, TEXT],
  ["9110 8.4.1.3", "x-gzip is gzip", "x-gzip", CODED["gzip"]!, TEXT],
  ["9110 8.4.1", "names have any case", "GZip", CODED["gzip"]!, TEXT],
  ["1952 2.2", "gzip of two members", "gzip", joined(CODED["gzip"]!, CODED["gzip"]!), TEXT + TEXT],
  ["9110 8.4.1.2", "deflate is zlib", "deflate", CODED["deflate"]!, TEXT],
  ["9110 8.4.1.2", "deflate without zlib, as some servers have it", "deflate", zlib.deflateRawSync(TEXT), TEXT],
  ["7932", "br", "br", CODED["br"]!, TEXT],
  ["9110 8.4", "codings are undone in reverse order", "deflate, gzip, br", zlib.brotliCompressSync(zlib.gzipSync(CODED["deflate"]!)), TEXT],
  ["9110 8.4", "five codings", "gzip,gzip,gzip,gzip,gzip", [1, 2, 3, 4, 5].reduce<Uint8Array>((body) => zlib.gzipSync(body), bytesOf(TEXT)), TEXT],
  ["9110 8.4", "six are too many", "gzip,gzip,gzip,gzip,gzip,gzip", CODED["gzip"]!, 61],
  ["9110 12.5.3", "identity is none", "identity", bytesOf(TEXT), TEXT],
  ["9110 8.4.1", "an unknown one", "zstd", bytesOf(TEXT), 61],
  ["9110 8.4", "no body has none", "gzip", new Uint8Array(), ""],
  ["1952 2.3", "gzip with a wrong checksum", "gzip", CODED["gzip"]!.map((byte, at) => byte ^ +(at === 26)), 61],
  ["1952 2.3", "gzip with a wrong length", "gzip", CODED["gzip"]!.map((byte, at) => byte ^ +(at === 29)), 61],
  ["1952 2.3", "gzip that is none", "gzip", bytesOf(TEXT), 61],
  ["1950 2.2", "zlib with a wrong checksum", "deflate", CODED["deflate"]!.map((byte, at, all) => byte ^ +(at === all.length - 1)), 61],
  ["1951 3.2", "deflate that is none", "deflate", bytesOf("\xff\xff\xff"), 61],
  ["7932 9", "br that is none", "br", bytesOf("\xff\xff\xff"), 61],
];

Deno.test("request undoes content codings, if it asked for them", async (t) => {
  for (const [section, what, coding, body, expected] of CODINGS) {
    await t.step(`RFC ${section}: ${what}`, async () => {
      const head = `${OK}Content-Encoding: ${coding}\r\nContent-Length: ${body.length}\r\n\r\n`;
      await using server = new FakeServer(replying(joined(head, body)));
      const getting = get(urlOf(server), { compressed: true });
      if (typeof expected === "number") await rejectsWith(expected, getting);
      else assertEquals(await getting, expected);
      assertEquals(await get(urlOf(server)), textOf(body)); // it did not ask
    });
  }
});

Deno.test("request undoes transfer codings, asked for or not", async () => {
  const chunk = (body: Uint8Array) =>
    joined(`${body.length.toString(16)}\r\n`, body, "\r\n0\r\n\r\n");
  for (const compressed of [false, true]) {
    for (const coding of ["gzip", "x-gzip", "deflate"]) {
      const body = CODED[coding.replace("x-", "")]!;
      for (
        const reply of [
          joined(`${OK}Transfer-Encoding: ${coding}\r\n\r\n`, body),
          joined(`${OK}Transfer-Encoding: ${coding}, chunked\r\n\r\n`, chunk(body)),
        ]
      ) {
        await using server = new FakeServer(replying(reply));
        assertEquals(await get(urlOf(server), { compressed }), TEXT);
      }
    }
  }
});

Deno.test("request refuses megabytes behind the end of a coding", async (t) => {
  for (const coding of ["gzip", "deflate", "br"]) {
    await t.step(coding, async () => {
      const reply = joined(
        `${OK}Content-Encoding: ${coding}\r\n\r\n`,
        CODED[coding]!,
        BUFFER,
        BUFFER,
      );
      await using server = new FakeServer(replying(reply));
      await rejectsWith(61, get(urlOf(server), { compressed: true }));
    });
  }
});

Deno.test("request survives mutated coded bodies", async () => {
  const places = ["gzip", "deflate", "br"].flatMap((coding) => {
    return Array.from(CODED[coding]!, (_, at) => ({ coding, at }));
  });
  await using server = new FakeServer(replying((head) => {
    const { coding, at } = places[Number(head.split(" ")[1]!.slice(1))]!;
    const body = CODED[coding]!.map((byte, n) => n === at ? byte ^ 1 << at % 8 : byte);
    return joined(`${OK}Content-Encoding: ${coding}\r\n\r\n`, body);
  }));
  const results = await each([...places.keys()], async (n) => {
    try {
      await get(urlOf(server, `/${n}`), { compressed: true });
      return 0;
    } catch (error) {
      return error instanceof TrioError ? error.code : error;
    }
  });
  assertEquals(new Set(results), new Set([0, 61])); // not all bits of a head matter
});
