/**
 * fetch.ts through HTTP proxies: what they are asked, and what they answer.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { download, type RequestOptions } from "../../fetch.ts";
import { VERSION, writeAll } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { bytesOf } from "../support/bytes.ts";
import { type Certificates, makeCertificates } from "../support/certificates.ts";
import { get } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { IPV6, testPeer } from "../support/peers.ts";
import { runScript } from "../support/process.ts";
import { seeingConnections } from "../support/replaced.ts";
import { HELLO, OK } from "../support/replies.ts";
import {
  clientEnds,
  closedPort,
  copy,
  FakeServer,
  readHead,
  replying,
  urlOf,
} from "../support/servers.ts";

const ESTABLISHED = "HTTP/1.1 200 Connection established\r\n\r\n";

/** A proxy that makes a tunnel to the port it is asked for; `heads` are the requests. */
function tunnelling(heads: string[], answer: string = ESTABLISHED): FakeServer {
  return new FakeServer(async (client) => {
    const head = await readHead(client);
    heads.push(head);
    const port = Number(/^CONNECT \S+:(\d+) /.exec(head)![1]);
    using server = await Deno.connect({ hostname: "127.0.0.1", port });
    await writeAll(client, bytesOf(answer));
    await Promise.all([copy(client, server), copy(server, client)]);
  });
}

/** An HTTPS server with a certificate for localhost, 127.0.0.1 and ::1. */
function secureServer(made: Certificates, heads: string[], hostname = "127.0.0.1") {
  const cert = Deno.readTextFileSync(made.good.certificate);
  const key = Deno.readTextFileSync(made.good.key);
  return Deno.serve({ hostname, port: 0, cert, key, onListen() {} }, (request) => {
    heads.push([...request.headers].map(([name, value]) => `${name}: ${value}`).join("\n"));
    return new Response("hello");
  });
}

Deno.test("request asks a proxy for http in the absolute form (RFC 9112 3.2.2)", async () => {
  const heads: string[] = [];
  await using proxy = new FakeServer(replying(HELLO, heads));
  assertEquals(await get("http://ann:word@a.example:8080?b#c", { proxy: urlOf(proxy) }), "hello");
  assertEquals(heads[0]!.split("\r\n"), [
    "GET http://a.example:8080/?b HTTP/1.1",
    "Host: a.example:8080",
    `User-Agent: tcp-trio/${VERSION}`,
    "Accept: */*",
    "Connection: close",
    `Authorization: Basic ${btoa("ann:word")}`,
    "",
    "",
  ]);
});

Deno.test("request gives a proxy its credentials, decoded, and no other", async () => {
  const heads: string[] = [];
  await using proxy = new FakeServer(replying((head) => {
    return head.includes("/a ") ? `HTTP/1.1 302 X\r\nLocation: http://b.example/b\r\n\r\n` : HELLO;
  }, heads));
  const via = `http://bob:p%40w@127.0.0.1:${proxy.port}`;
  assertEquals(await get("http://a.example/a", { proxy: via, user: "ann:word" }), "hello");
  assertEquals(heads.length, 2);
  for (const head of heads) {
    assert(head.includes(`\r\nProxy-Authorization: Basic ${btoa("bob:p@w")}\r\n`), head);
  }
  assert(heads[0]!.includes(`\r\nAuthorization: Basic ${btoa("ann:word")}\r\n`));
  assert(!heads[1]!.includes("\r\nAuthorization:"));
});

Deno.test("request takes the proxy of the scheme, with or without http:// before it", async () => {
  await using proxy = new FakeServer(replying(HELLO));
  await using server = new FakeServer(replying(`${OK}Content-Length: 6\r\n\r\ndirect`));
  const here = `127.0.0.1:${proxy.port}`;
  assertEquals(await get(urlOf(server), { proxy: here }), "hello");
  assertEquals(await get(urlOf(server), { proxy: { http: here } }), "hello");
  assertEquals(await get(urlOf(server), { proxy: { https: here } }), "direct");
  assertEquals(await get(urlOf(server), { proxy: here, noProxy: "127.0.0.1" }), "direct");
});

Deno.test("fetch.ts asks a proxy for a list of checksums, too", async () => {
  await using folder = new Folder();
  const heads: string[] = [];
  await using proxy = new FakeServer(replying(HELLO, heads));
  const args = ["--checksum", "http://a.example/list", "-x", urlOf(proxy), "http://b.example/"];
  const { code } = await runScript("fetch.ts", args, { cwd: folder.path });
  assertEquals([code, heads.map((head) => head.split(" ")[1])], [90, ["http://a.example/list"]]);
});

Deno.test("request shows a proxy's refusal of http as any status", async () => {
  await using folder = new Folder();
  await using proxy = new FakeServer(
    replying("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno"),
  );
  const options = { proxy: `127.0.0.1:${proxy.port}`, retry: 0, output: folder.file("f") };
  const { message } = await rejectsWith(22, download("http://a.example/f", options));
  assertMatch(message, /407 Proxy Authentication Required/);
  assertEquals(folder.names, []);
});

testPeer("request asks a proxy for a tunnel to https (RFC 9110 9.3.6)", ["openssl"], async (t) => {
  await using made = await makeCertificates();
  const caCerts = [await Deno.readTextFile(made.ca)];
  const places: [string, string][] = [["127.0.0.1", "127.0.0.1"], ["127.0.0.1", "localhost"]];
  if (IPV6) places.push(["127.0.0.1", "[::1]"]);
  for (const [hostname, host] of places) {
    await t.step(host, async () => {
      const tunnels: string[] = [], heads: string[] = [];
      await using server = secureServer(made, heads, hostname);
      await using proxy = tunnelling(tunnels);
      const { port } = server.addr;
      const options: RequestOptions = {
        caCerts,
        proxy: `http://bob:word@127.0.0.1:${proxy.port}`,
        user: "ann:secret",
        headers: ["Cookie: secret"],
        userAgent: "agent",
      };
      assertEquals(await get(`https://${host}:${port}/a`, options), "hello");
      assertEquals(tunnels[0]!.split("\r\n"), [
        `CONNECT ${host}:${port} HTTP/1.1`,
        `Host: ${host}:${port}`,
        "User-Agent: agent",
        `Proxy-Authorization: Basic ${btoa("bob:word")}`,
        "",
        "",
      ]);
      assertMatch(heads[0]!, /authorization: Basic .*\ncookie: secret|cookie: secret\n/i);
      assert(!/proxy-authorization/i.test(heads[0]!), heads[0]);
    });
  }

  // deno-fmt-ignore
  const answers = [
    ESTABLISHED,
    "HTTP/1.0 200\n\n",
    "HTTP/1.1 299 Odd\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    `HTTP/1.1 100 Wait\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n${ESTABLISHED}`,
  ];
  for (const answer of answers) {
    await t.step(JSON.stringify(answer), async () => {
      await using server = secureServer(made, []);
      await using proxy = tunnelling([], answer);
      const url = `https://127.0.0.1:${server.addr.port}/`;
      assertEquals(await get(url, { caCerts, proxy: urlOf(proxy) }), "hello");
    });
  }

  await t.step("the name in the certificate is the server's, not the proxy's", async () => {
    const heads: string[] = [];
    await using server = secureServer(made, heads);
    await using proxy = tunnelling([]);
    const url = `https://a.example:${server.addr.port}/`;
    await rejectsWith(60, get(url, { caCerts, proxy: urlOf(proxy) }), "a.example");
    assertEquals(heads, []);
  });
});

/** A proxy's answer to CONNECT, the exit code, and what the error says. */
// deno-fmt-ignore
const REFUSALS: [what: string, answer: string, code: number, says: RegExp][] = [
  ["407", "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 5\r\n\r\nhello", 56, /proxy .*407 Proxy Authentication Required/],
  ["403 with terminal escapes", "HTTP/1.1 403 \x1b[2JNo\x9b\r\n\r\n", 56, /proxy .*403 \\x1b\[2JNo\\x9b/],
  ["502 without reason", "HTTP/1.1 502\r\n\r\n", 56, /proxy .*502/],
  ["a redirect, which is not followed", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n", 56, /proxy .*302 Found/],
  ["a page, as from a web server", "<html>hello</html>", 56, /proxy .*not valid HTTP/],
  ["a head cut short", OK, 56, /proxy/],
  ["nothing", "", 56, /proxy/],
];

Deno.test("request shows why a proxy makes no tunnel", async (t) => {
  for (const [what, answer, code, says] of REFUSALS) {
    await t.step(what, async () => {
      await using proxy = new FakeServer(replying(answer));
      const getting = get("https://a.example/", { proxy: urlOf(proxy) });
      assertMatch((await rejectsWith(code, getting)).message, says);
    });
  }
});

Deno.test("request gives up on a proxy's head that never ends", async () => {
  await using proxy = new FakeServer(replying(`${OK}${"A: b\r\n".repeat(60_000)}`));
  // it is read byte by byte: here from memory
  using _ = seeingConnections((conn) => {
    const read = conn.read.bind(conn), buffer = new Uint8Array(65_536);
    let ahead = buffer.subarray(0, 0);
    conn.read = async (p) => {
      if (ahead.length === 0) ahead = buffer.subarray(0, await read(buffer) ?? 0);
      if (ahead.length === 0) return null;
      p.set(ahead.subarray(0, p.length));
      ahead = ahead.subarray(p.length);
      return p.length;
    };
  });
  const getting = get("https://a.example/", { proxy: urlOf(proxy) });
  assertMatch((await rejectsWith(56, getting)).message, /proxy .*not valid HTTP/);
});

Deno.test("request leaves to TLS what comes right behind a proxy's head", async () => {
  await using proxy = new FakeServer(replying(`${ESTABLISHED}SSH-2.0-Server\r\n`));
  const getting = get("https://a.example/", { proxy: urlOf(proxy) });
  await rejectsWith(35, getting, "what answers there is not TLS");
});

Deno.test("fetch.ts shows a proxy's refusal in one line", async () => {
  await using proxy = new FakeServer(replying("HTTP/1.1 403 For\x1bbidden\r\n\r\n"));
  const via = `127.0.0.1:${proxy.port}`;
  const args = ["--proxy", via, "--retry=0", "https://ann:secret@a.example/f"];
  const { code, stderr } = await runScript("fetch.ts", args);
  assertEquals(code, 56);
  assertEquals(
    stderr,
    `fetch: proxy ${via} refused the tunnel to a.example:443: 403 For\\x1bbidden\n`,
  );
});

// deno-fmt-ignore
const BAD_PROXIES: [what: string, proxy: string, code: number, says: RegExp][] = [
  ["nobody there", urlOf({ port: closedPort() }), 7, /cannot connect to proxy 127\.0\.0\.1:\d+/],
  ["a name nobody knows", `http://${"a".repeat(64)}.example:3128`, 5, /^cannot resolve proxy a+\.example$/],
  ["SOCKS5, nobody there", `socks5://127.0.0.1:${closedPort()}`, 7, /cannot connect to proxy 127\.0\.0\.1:\d+/],
  ["SOCKS5, a name nobody knows", `socks5h://${"a".repeat(64)}.example`, 5, /^cannot resolve proxy a+\.example$/],
  ["SOCKS4", "socks4://127.0.0.1:1080", 1, /only http/],
  ["HTTPS", "https://127.0.0.1:3128", 1, /only http/],
  ["no URL", "http://127.0.0.1:x", 3, /malformed/],
];

Deno.test("request says what is wrong with a proxy, for http and https", async (t) => {
  for (const [what, proxy, code, says] of BAD_PROXIES) {
    await t.step(what, async () => {
      for (const scheme of ["http", "https"]) {
        const error = await rejectsWith(code, get(`${scheme}://a.example/`, { proxy }));
        assertMatch(error.message, says);
      }
    });
  }
});

const REFUSED = /403 No tunnel/;

Deno.test("fetch.ts takes proxies from the environment, -x before them", async (t) => {
  await using server = new FakeServer(replying(`${OK}Content-Length: 6\r\n\r\ndirect`));
  await using a = new FakeServer(replying(`${OK}Content-Length: 1\r\n\r\na`));
  await using b = new FakeServer(replying(`${OK}Content-Length: 1\r\n\r\nb`));
  await using tunnel = new FakeServer(replying("HTTP/1.1 403 No tunnel\r\n\r\n"));
  // none of the machine's own
  const none = Object.fromEntries(
    ["http", "https", "all", "no"].flatMap((name) => [
      [`${name}_proxy`, ""],
      [`${name.toUpperCase()}_PROXY`, ""],
    ]),
  );
  const here = `http://127.0.0.1:${server.port}/`, there = "http://a.example/";
  const secure = here.replace("http", "https");
  // deno-fmt-ignore
  const cases: [env: Record<string, string>, args: string[], expected: Record<string, string | RegExp>][] = [
    // HTTP_PROXY could be a header of a request to CGI
    [{ HTTP_PROXY: urlOf(a), HTTPS_PROXY: urlOf(tunnel) }, [], { [here]: "direct", [secure]: REFUSED }],
    [{ https_proxy: urlOf(tunnel) }, [], { [here]: "direct", [secure]: REFUSED }],
    [{ http_proxy: urlOf(b), all_proxy: urlOf(tunnel) }, [], { [here]: "b", [secure]: REFUSED }],
    [{ http_proxy: `127.0.0.1:${a.port}`, no_proxy: `127.0.0.1:${server.port + 1}` }, [], { [here]: "a" }],
    [{ all_proxy: urlOf(a), no_proxy: "127.0.0.1" }, [], { [here]: "direct", [there]: "a" }],
    [{ ALL_PROXY: urlOf(a), NO_PROXY: `127.0.0.1:${server.port}` }, [], { [here]: "direct", [there]: "a" }],
    [{ http_proxy: urlOf(a) }, ["-x", urlOf(b)], { [here]: "b" }],
  ];
  for (const [env, words, expected] of cases) {
    await t.step(`${Object.keys(env)} ${words}`, async () => {
      await using folder = new Folder();
      const outputs = Object.keys(expected).flatMap((_, at) => ["-o", `${at}`]);
      const args = ["--retry=0", ...outputs, ...words, ...Object.keys(expected)];
      const options = { cwd: folder.path, env: { ...none, ...env } };
      const { stderr } = await runScript("fetch.ts", args, options);
      for (const [at, answer] of Object.values(expected).entries()) {
        if (typeof answer === "string") assertEquals(folder.text(`${at}`), answer, stderr);
        else assertMatch(stderr, answer);
      }
    });
  }
});

Deno.test("request follows a redirect to a host of no_proxy without proxy", async () => {
  const heads: string[] = [];
  await using server = new FakeServer(replying(HELLO, heads));
  await using proxy = new FakeServer(
    replying(`HTTP/1.1 302 Found\r\nLocation: ${urlOf(server, "/b")}\r\n\r\n`),
  );
  const via = `http://bob:word@127.0.0.1:${proxy.port}`;
  assertEquals(await get("http://a.example/", { proxy: via, noProxy: "127.0.0.1" }), "hello");
  assert(heads[0]!.startsWith("GET /b HTTP/1.1\r\n"), heads[0]);
  assert(!/proxy-authorization/i.test(heads[0]!), heads[0]);
});

Deno.test("request says that the user of a SOCKS5 proxy is too long", async () => {
  await using server = new FakeServer(clientEnds);
  const proxy = `socks5://${"u".repeat(256)}@127.0.0.1:${server.port}`;
  await rejectsWith(2, get("http://a.example/", { proxy }), "1 to 255 bytes");
});

Deno.test("request waits for a proxy no longer than it may", async () => {
  await using proxy = new FakeServer(clientEnds);
  const options = { proxy: urlOf(proxy), connectTimeout: 0.1, stallTimeout: 0.1 };
  await rejectsWith(28, get("https://a.example/", options), "no connection to a.example");
  await rejectsWith(28, get("http://a.example/", options), "no reply from a.example");
});
