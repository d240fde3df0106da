/**
 * fetch.ts over TLS: whom it trusts, what it says of whom it does not, and
 * what a missing close_notify means for each framing.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import zlib from "node:zlib";
import { download, request, type RequestOptions } from "../fetch.ts";
import { readUntilEof, writeAll } from "../mod.ts";
import { type Certificates, type Chain, makeCertificates } from "./compat/certificates.ts";
import { find, IPV6, testPeer } from "./compat/peers.ts";
import { Folder } from "./fetch_tools.ts";
import {
  bodyOf,
  bytesOf,
  CHUNKED,
  clientEnds,
  joined,
  OK,
  readHead,
  rejectsWith,
  replying,
} from "./replies.ts";
import { FakeServer, runScript } from "./testing.ts";

let made: Certificates;
/** The CA to trust, as `caCerts` takes it. */
let caCerts: string[];

if (find("openssl")) {
  Deno.test.beforeAll(async () => {
    made = await makeCertificates();
    caCerts = [await Deno.readTextFile(made.ca)];
  });
  Deno.test.afterAll(async () => {
    await made[Symbol.asyncDispose]();
  });
}

const HELLO = `${OK}Content-Length: 5\r\n\r\nhello`;

/** A TLS server made of one function that is called with each connection. */
class TlsServer implements AsyncDisposable {
  readonly port: number;
  /** The protocols that were agreed on. */
  readonly protocols: (string | null)[] = [];
  #listener: Deno.TlsListener;
  #finished: Promise<void>;

  constructor(
    { certificate, key }: Chain,
    handle: (conn: Deno.TlsConn, count: number) => Promise<void>,
    hostname: string = "127.0.0.1",
  ) {
    this.#listener = Deno.listenTls({
      ...{ hostname, port: 0, alpnProtocols: ["http/1.1", "h2"] },
      ...{ cert: Deno.readTextFileSync(certificate), key: Deno.readTextFileSync(key) },
    });
    this.port = this.#listener.addr.port;
    this.#finished = this.#accept(handle);
  }

  async #accept(handle: (conn: Deno.TlsConn, count: number) => Promise<void>) {
    const tasks: Promise<void>[] = [];
    try {
      for (let count = 1;; count++) {
        tasks.push(this.#serve(await this.#listener.accept(), handle, count));
      }
    } catch {
      await Promise.all(tasks); // closed at the end of the test
    }
  }

  async #serve(
    conn: Deno.TlsConn,
    handle: (conn: Deno.TlsConn, count: number) => Promise<void>,
    count: number,
  ) {
    try {
      using _closed = conn;
      this.protocols.push((await conn.handshake()).alpnProtocol);
      await handle(conn, count);
      await conn.closeWrite();
    } catch {
      // the client may refuse the certificate
    }
  }

  async [Symbol.asyncDispose]() {
    this.#listener.close();
    await this.#finished;
  }
}

/** Passes on what goes to and from a TLS server, but for its close_notify. */
function withoutCloseNotify(port: number): FakeServer {
  return new FakeServer(async (client) => {
    using server = await Deno.connect({ hostname: "127.0.0.1", port });
    const asking = (async () => {
      for await (const bytes of readUntilEof(client)) await writeAll(server, bytes);
    })();
    let records = new Uint8Array();
    for await (const bytes of readUntilEof(server)) {
      records = joined(records, bytes);
      // RFC 8446 section 5.1: type, version, length; an alert is encrypted to 19 bytes
      for (;;) {
        const [type = 0, , , high = 0, low = 0] = records, length = 5 + high * 256 + low;
        if (records.length < length) break;
        const isAlert = type === 21 || type === 23 && length === 5 + 19;
        if (!isAlert) await writeAll(client, records.subarray(0, length));
        records = records.slice(length);
      }
    }
    await client.closeWrite();
    await asking;
  });
}

async function get(url: string, options: RequestOptions = {}): Promise<string> {
  using response = await request(url, { caCerts, ...options });
  return await bodyOf(response);
}

testPeer("request trusts a chain to --cacert for names, IPv4 and IPv6", ["openssl"], async () => {
  const places: [string, string][] = [["127.0.0.1", "127.0.0.1"], ["127.0.0.1", "localhost"]];
  if (IPV6) places.push(["::1", "[::1]"], ["::1", "[0:0::1]"]);
  for (const [hostname, host] of places) {
    const heads: string[] = [];
    await using server = new TlsServer(made.good, replying(HELLO, heads), hostname);
    const { port } = server;
    assertEquals(await get(`https://${host}:${port}/a`), "hello", host);
    assertEquals(server.protocols, ["http/1.1"]);
    const name = host === "[0:0::1]" ? "[::1]" : host;
    assert(heads[0]!.startsWith(`GET /a HTTP/1.1\r\nHost: ${name}:${port}\r\n`), heads[0]);
  }
});

testPeer("fetch.ts trusts a chain to --cacert, and one of several", ["openssl"], async () => {
  await using folder = new Folder();
  await using server = new TlsServer(made.good, replying(HELLO));
  const url = `https://localhost:${server.port}/f`;
  const other = `--cacert=${made.unknownCa.leaf}`, ca = `--cacert=${made.ca}`;
  for (const args of [[ca], [other, ca], [ca, other]]) {
    const { code, stderr } = await runScript("fetch.ts", [...args, url], { cwd: folder.path });
    assertEquals([code, folder.text("f")], [0, "hello"], stderr);
  }
});

testPeer("request reads megabytes over TLS", ["openssl"], async () => {
  const body = new Uint8Array(3_000_000).map((_, at) => at * 7 + (at >> 8));
  const replies = [
    joined(`${OK}Content-Length: ${body.length}\r\n\r\n`, body),
    joined(`${OK}\r\n`, body),
    joined(CHUNKED, `${body.length.toString(16)}\r\n`, body, "\r\n0\r\n\r\n"),
  ];
  await using folder = new Folder();
  for (const reply of replies) {
    await using server = new TlsServer(made.good, replying(reply));
    const url = `https://127.0.0.1:${server.port}/`;
    const { bytes } = await download(url, { caCerts, output: folder.file("f") });
    assertEquals(bytes, body.length);
    assert(folder.bytes("f").every((byte, at) => byte === body[at]));
  }
});

// --- Whom it does not trust -------------------------------------------------

/** A server, the host it is asked by, and what the error says. */
interface Untrusted {
  what: string;
  chain: () => Chain;
  host?: string;
  says: RegExp;
}

const UNTRUSTED: Untrusted[] = [
  { what: "a CA nobody knows", chain: () => made.unknownCa, says: /unknown issuer .*--cacert/ },
  { what: "a chain with a gap", chain: () => made.noIntermediate, says: /unknown issuer/ },
  { what: "a certificate for another name", chain: () => made.wrongName, says: /another name/ },
  {
    what: "a certificate for another name, asked by name",
    chain: () => made.wrongName,
    host: "localhost",
    says: /another name/,
  },
  { what: "an expired certificate", chain: () => made.expired, says: /expired/ },
  {
    what: "a CA's own certificate",
    chain: () => ({ certificate: made.ca, leaf: made.ca, key: made.ca.replace(/pem$/, "key") }),
    says: /not trusted: ./,
  },
];

testPeer(
  "request sends nothing to whom it does not trust, and says why",
  ["openssl"],
  async (t) => {
    for (const { what, chain, host = "127.0.0.1", says } of UNTRUSTED) {
      await t.step(what, async () => {
        const heads: string[] = [];
        await using server = new TlsServer(chain(), replying(HELLO, heads));
        const { message } = await rejectsWith(60, get(`https://${host}:${server.port}/`));
        assertMatch(message, says);
        assert(message.includes(`${host}:${server.port}`), message);
        assertEquals(heads, []);
      });
    }
    await t.step("nobody but the usual CAs without --cacert", async () => {
      await using server = new TlsServer(made.good, replying(HELLO));
      await rejectsWith(60, get(`https://localhost:${server.port}/`, { caCerts: [] }), "--cacert");
    });
  },
);

testPeer(
  "fetch.ts ends with 60 for a bad certificate, in one line, without a file",
  ["openssl"],
  async () => {
    await using folder = new Folder();
    await using server = new TlsServer(made.expired, replying(HELLO));
    const { port } = server;
    const args = [`--cacert=${made.ca}`, "--retry=0", `https://localhost:${port}/f`];
    const { code, stdout, stderr } = await runScript("fetch.ts", args, { cwd: folder.path });
    assertEquals([code, stdout, folder.names], [60, "", []]);
    assertMatch(stderr, new RegExp(`^fetch: the certificate of localhost:${port} .*expired.*\n$`));
  },
);

/** What answers a ClientHello, and is no TLS that goes on. */
const NO_TLS: [what: string, answer: string][] = [
  ["a plain HTTP server", "HTTP/1.1 400 Bad Request\r\n\r\n"],
  ["a server that closes", ""],
  ["garbage", "\0".repeat(100)],
  ["a record cut short", "\x16\x03\x03\x40\0\x02"],
  ["the alert handshake_failure", "\x15\x03\x03\0\x02\x02\x28"],
  ["the alert protocol_version", "\x15\x03\x03\0\x02\x02\x46"],
];

Deno.test("request ends with 35 if there is no TLS, and names the host", async (t) => {
  for (const [what, answer] of NO_TLS) {
    await t.step(what, async () => {
      await using server = new FakeServer(async (conn) => {
        await conn.read(new Uint8Array(4096));
        await writeAll(conn, bytesOf(answer));
      });
      const { port } = server;
      await rejectsWith(35, request(`https://127.0.0.1:${port}/`), `127.0.0.1:${port}`);
    });
  }
});

Deno.test("fetch.ts says which --cacert it cannot use", async (t) => {
  await using folder = new Folder();
  const files = {
    "is missing": folder.file("missing.pem"),
    "is empty": folder.write("empty.pem", ""),
    "is no PEM": folder.write("text.pem", "hello\n"),
    "is cut short": folder.write("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n"),
  };
  await using server = new FakeServer(() => {});
  for (const [what, file] of Object.entries(files)) {
    await t.step(`it ${what}`, async () => {
      const args = [`--cacert=${file}`, "--retry=0", `https://127.0.0.1:${server.port}/`];
      const { code, stderr } = await runScript("fetch.ts", args, { cwd: folder.path });
      assertEquals(code, 2, stderr);
      assertMatch(stderr, /^fetch: .*--cacert .*\.pem.*\n$/);
    });
  }
});

Deno.test("request leaves nothing open when caCerts cannot be used", async () => {
  await using server = new FakeServer(clientEnds);
  const caCerts = ["-----BEGIN CERTIFICATE-----\nMIIB\n"];
  await rejectsWith(35, request(`https://127.0.0.1:${server.port}/`, { caCerts }));
});

// --- Missing close_notify ---------------------------------------------------

const GZIP = zlib.gzipSync("hello");

/** The exit codes with close_notify and without. */
// deno-fmt-ignore
const ENDS: [what: string, reply: string | Uint8Array, clean: number, cut: number, options?: RequestOptions][] = [
  ["a length", HELLO, 0, 0],
  ["a length of 0", `${OK}Content-Length: 0\r\n\r\n`, 0, 0],
  ["chunks", `${CHUNKED}5\r\nhello\r\n0\r\n\r\n`, 0, 0],
  ["no body for HEAD", HELLO.slice(0, -5), 0, 0, { method: "HEAD" }],
  ["no body for 204", "HTTP/1.1 204 None\r\n\r\n", 0, 0],
  ["EOF", `${OK}\r\nhello`, 0, 18],
  ["EOF with no byte of body", `${OK}\r\n`, 0, 18],
  ["EOF and gzip", joined(`${OK}Transfer-Encoding: gzip\r\n\r\n`, GZIP), 0, 18],
  ["EOF and a content coding", joined(`${OK}Content-Encoding: gzip\r\n\r\n`, GZIP), 0, 18, { compressed: true }],
  ["a length and gzip", joined(`${OK}Content-Encoding: gzip\r\nContent-Length: ${GZIP.length}\r\n\r\n`, GZIP), 0, 0, { compressed: true }],
  ["a length not reached", HELLO.slice(0, -1), 18, 18],
  ["no last chunk", `${CHUNKED}5\r\nhello\r\n`, 18, 18],
  ["a head cut short", OK, 56, 56],
  ["nothing", "", 52, 52],
];

testPeer(
  "request takes a missing close_notify for a body cut short if EOF frames it",
  ["openssl"],
  async (t) => {
    for (const [what, reply, clean, cut, options] of ENDS) {
      await t.step(what, async () => {
        await using server = new TlsServer(made.good, replying(reply));
        await using cutting = withoutCloseNotify(server.port);
        for (const [{ port }, code] of [[server, clean], [cutting, cut]] as const) {
          const getting = get(`https://127.0.0.1:${port}/`, options);
          if (code) await rejectsWith(code, getting);
          else await getting;
        }
      });
    }
  },
);

testPeer(
  "download keeps what came before a missing close_notify apart from FILE",
  ["openssl"],
  async () => {
    await using folder = new Folder();
    await using server = new TlsServer(made.good, replying(`${OK}\r\nhello`));
    await using cutting = withoutCloseNotify(server.port);
    const output = folder.file("f"), url = `https://127.0.0.1:${cutting.port}/`;
    await rejectsWith(18, download(url, { caCerts, output, retry: 0 }), "close_notify");
    assertEquals([folder.names, folder.text("f.part")], [["f.part"], "hello"]);
  },
);

// --- Redirects --------------------------------------------------------------

function redirect(to: string): string {
  return `HTTP/1.1 301 Moved\r\nLocation: ${to}\r\nContent-Length: 0\r\n\r\n`;
}

testPeer("request goes from http to https and never back", ["openssl"], async () => {
  const heads: string[] = [];
  const secrets = { user: "ann:secret", headers: ["Cookie: secret"], userAgent: "agent" };
  await using end = new TlsServer(made.good, replying(HELLO, heads));
  const to = `https://localhost:${end.port}/`;
  await using plain = new FakeServer(replying(redirect(to)));
  assertEquals(await get(`http://127.0.0.1:${plain.port}/`, secrets), "hello");
  assert(!/secret|authorization/i.test(heads[0]!), heads[0]);

  await using other = new TlsServer(made.good, replying(redirect(to)));
  assertEquals(await get(`https://localhost:${other.port}/`, secrets), "hello");
  assert(!/secret|authorization/i.test(heads[1]!), heads[1]);

  let asked = 0;
  await using insecure = new FakeServer(() => void asked++);
  const back = `http://localhost:${insecure.port}/`;
  for (const location of [back, back.replace("http", "HTTP")]) {
    await using down = new TlsServer(made.good, replying(redirect(location)));
    await rejectsWith(47, get(`https://localhost:${down.port}/`), `from https back to ${back}`);
  }
  assertEquals(asked, 0);
});

testPeer(
  "request takes a Location without scheme for https if it came over that",
  ["openssl"],
  async () => {
    await using server: TlsServer = new TlsServer(
      made.good,
      replying((head) =>
        head.includes(" /end ") ? HELLO : redirect(`//localhost:${server.port}/end`)
      ),
    );
    using response = await request(`https://127.0.0.1:${server.port}/`, { caCerts });
    assertEquals(response.url, `https://localhost:${server.port}/end`);
  },
);

testPeer(
  "request asks for close and waits for none: a TLS server may stay open",
  ["openssl"],
  async () => {
    const ended = Promise.withResolvers<void>();
    await using server = new TlsServer(made.good, async (conn) => {
      await readHead(conn);
      await writeAll(conn, bytesOf(HELLO));
      for await (const _ of readUntilEof(conn)); // the client ends it
      ended.resolve();
    });
    assertEquals(await get(`https://127.0.0.1:${server.port}/`), "hello");
    await ended.promise;
  },
);
