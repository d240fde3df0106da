/**
 * What `request` asks for, and what it gives.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { download, HttpResponse, request, type RequestOptions } from "../../fetch.ts";
import { VERSION, writeAll } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { bytesOf, joined } from "../support/bytes.ts";
import { bodyOf, get } from "../support/fetch.ts";
import { pause } from "../support/process.ts";
import { connecting, seeingConnections } from "../support/replaced.ts";
import { CHUNKED, CODED, HELLO, OK, redirect, response } from "../support/replies.ts";
import { clientEnds, FakeServer, readHead, replying, soon, urlOf } from "../support/servers.ts";

// deno-fmt-ignore
const REQUESTS: [what: string, path: string, options: RequestOptions, lines: (string | RegExp)[]][] = [
  ["the least", "/a?b#c", {}, ["GET /a?b HTTP/1.1", /^Host: 127\.0\.0\.1:\d+$/, `User-Agent: tcp-trio/${VERSION}`, "Accept: */*", "Connection: close"]],
  ["HEAD", "/", { method: "HEAD" }, ["HEAD / HTTP/1.1"]],
  ["an empty path", "", {}, ["GET / HTTP/1.1"]],
  ["a query alone", "?a b", {}, ["GET /?a%20b HTTP/1.1"]],
  ["what is not ASCII is encoded", "/ä", {}, ["GET /%C3%A4 HTTP/1.1"]],
  ["codings", "/", { compressed: true }, ["Accept-Encoding: gzip, deflate, br, zstd"]],
  ["a user", "/", { user: "ann:p:w ö" }, ["Authorization: Basic YW5uOnA6dyDDtg=="]],
  ["a user agent", "/", { userAgent: "x/1" }, ["User-Agent: x/1"]],
  ["headers", "/", { headers: ["A: b", "C:d", "E;", "A: ö"] }, ["A: b", "C: d", "E:", "A: \xc3\xb6"]],
  ["a header replaces its like", "/", { headers: ["user-agent: x", "HOST: h"] }, ["user-agent: x", "HOST: h"]],
  ["a range", "/", { range: "5-", ifRange: '"v"' }, ["Range: bytes=5-", 'If-Range: "v"']],
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

Deno.test("request asks for the password of a user that the URL has alone", async () => {
  const heads: string[] = [];
  await using server = new FakeServer(replying(HELLO, heads));
  const credentials = (host: string, user = "all") =>
    user === "bob" ? undefined : `${user}:${host}`;
  const hosts = ["", "ann@", "bob@", "ann:p@"].map((user) =>
    `http://${user}127.0.0.1:${server.port}`
  );
  for (const url of hosts) await get(url, { credentials });
  await get(hosts[1]!, { credentials, user: "ann:" });
  const sent = heads.map((head) => atob(/^Authorization: Basic (.*)\r$/m.exec(head)![1]!));
  assertEquals(sent, ["all:127.0.0.1", "ann:127.0.0.1", "bob:", "ann:p", "ann:"]);
});

Deno.test("request asks for the password of an IPv6 address without its brackets", async () => {
  const hosts: string[] = [];
  await using proxy = new FakeServer(replying(HELLO));
  const credentials = (host: string) => void hosts.push(host);
  await get("http://[::1]/", { credentials, proxy: urlOf(proxy) });
  assertEquals(hosts, ["::1"]);
});

Deno.test("request connects to an IPv6 address without its brackets, and tells it with them", async () => {
  const asked: Deno.ConnectOptions[] = [], told: string[] = [];
  using _ = connecting(() => (options) => {
    asked.push(options);
    return Promise.reject(new Deno.errors.ConnectionRefused("refused"));
  });
  const onConnect = (address: string) => void told.push(address);
  await rejectsWith(7, get("http://[::1]:81/", { onConnect }), "cannot connect to [::1]:81");
  assertEquals([asked[0]!.hostname, asked[0]!.port, told], ["::1", 81, ["[::1]:81"]]);
});

Deno.test("request sends the cookies that servers set beside those of the user", async () => {
  const heads: string[] = [];
  await using server = new FakeServer(
    replying(
      (head) =>
        head.includes("id=7") ? HELLO : redirect("/").replace("\r\n", "\r\nSet-Cookie: id=7\r\n"),
      heads,
    ),
  );
  await get(urlOf(server), { headers: ["Cookie: a=ü; id=0"], maxRedirects: 1 });
  assert(heads[1]!.includes("\r\nCookie: id=7; a=\xc3\xbc\r\n"), heads[1]);
  await get(urlOf(server), { headers: ["Cookie:"], follow: false });
  assert(!/^cookie/im.test(heads[2]!));
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

Deno.test("HttpResponse has one body, which takes nothing before it is read", async () => {
  await using server = new FakeServer(replying(HELLO));
  using response = await request(urlOf(server));
  const { body } = response;
  assert(response.body === body);
  await pause(0); // it would have read by now
  const p = new Uint8Array(9);
  assertEquals([await response.read(p), await bodyOf(response)], [5, ""]);
});

Deno.test("HttpResponse reads nothing into nothing, and does not wait for it", async () => {
  await using server = new FakeServer(async (conn) => {
    await readHead(conn);
    await writeAll(conn, bytesOf(`${OK}\r\n`));
    await clientEnds(conn);
  });
  using response = await request(urlOf(server), { maxTime: 9 });
  assertEquals(await response.read(new Uint8Array()), 0);
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

Deno.test("request takes the answer of a server that closes before it has read the request", async () => {
  await using server = new FakeServer(async (conn) => {
    await writeAll(conn, bytesOf(response("431 Too Large", "no")[0] + "no"));
  });
  const headers = { Long: "x".repeat(4_000_000) }; // more than the buffers between them take at once
  using answer = await request(urlOf(server), { headers });
  assertEquals([answer.status, await bodyOf(answer)], [431, "no"]);
});

Deno.test("request takes the answer of a server that resets the connection meanwhile", async () => {
  await using server = new FakeServer(replying(HELLO));
  for (const broken of [Deno.errors.ConnectionReset, Deno.errors.BrokenPipe]) {
    using _ = seeingConnections((conn) => {
      const { write } = conn;
      conn.write = async (p) => (await write.call(conn, p), Promise.reject(new broken()));
    });
    assertEquals(await get(urlOf(server)), "hello");
  }
});

Deno.test("request takes no option that is not what it should be", async () => {
  for (const value of [-1, NaN, "5" as unknown as number]) {
    for (const name of ["stallTimeout", "connectTimeout", "maxTime", "maxRedirects"]) {
      await rejectsWith(
        2,
        request("http://127.0.0.1:1/", { [name]: value }),
        `${name} is a number`,
      );
    }
    for (const name of ["maxFilesize", "connections", "retry"]) {
      const options = { output: "/dev/null", [name]: value };
      await rejectsWith(2, download("http://127.0.0.1:1/", options), `${name} is a number`);
    }
  }
});

Deno.test("HttpResponse closes the connection when its body is bad", async () => {
  const headRead = Promise.withResolvers<void>(), ended = Promise.withResolvers<void>();
  await using server = new FakeServer(async (conn) => {
    await readHead(conn);
    await writeAll(conn, bytesOf(CHUNKED));
    await headRead.promise;
    await writeAll(conn, bytesOf("no size"));
    await clientEnds(conn);
    ended.resolve();
  });
  const response = await request(urlOf(server));
  headRead.resolve();
  await rejectsWith(8, response.read(new Uint8Array(9)));
  await soon(ended.promise);
});
