/**
 * fetch.ts over TLS: whom it trusts, and what it says of whom it does not.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { download, request, type RequestOptions } from "../../fetch.ts";
import { readUntilEof, writeAll } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { bytesOf, isSame, joined, noise } from "../support/bytes.ts";
import { certificatesOfFile, type Chain } from "../support/certificates.ts";
import { get } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { IPV6, testPeer } from "../support/peers.ts";
import { runScript } from "../support/process.ts";
import { CHUNKED, HELLO, OK, redirect } from "../support/replies.ts";
import { clientEnds, FakeServer, readHead, replying, TlsServer } from "../support/servers.ts";

/** The certificates of this file. */
const made = certificatesOfFile();

function getTrusted(url: string, options: RequestOptions = {}): Promise<string> {
  return get(url, { caCerts: made().caCerts, ...options });
}

testPeer("request trusts a chain to --cacert for names, IPv4 and IPv6", ["openssl"], async () => {
  const places: [string, string][] = [["127.0.0.1", "127.0.0.1"], ["127.0.0.1", "localhost"]];
  if (IPV6) places.push(["::1", "[::1]"], ["::1", "[0:0::1]"]);
  for (const [hostname, host] of places) {
    const heads: string[] = [];
    await using server = new TlsServer(made().good, replying(HELLO, heads), hostname);
    const { port } = server;
    assertEquals(await getTrusted(`https://${host}:${port}/a`), "hello", host);
    assertEquals(server.protocols, ["http/1.1"]);
    const name = host === "[0:0::1]" ? "[::1]" : host;
    assert(heads[0]!.startsWith(`GET /a HTTP/1.1\r\nHost: ${name}:${port}\r\n`), heads[0]);
  }
});

testPeer("fetch.ts trusts a chain to --cacert, and one of several", ["openssl"], async () => {
  await using folder = new Folder();
  await using server = new TlsServer(made().good, replying(HELLO));
  const url = `https://localhost:${server.port}/f`;
  const other = `--cacert=${made().unknownCa.leaf}`, ca = `--cacert=${made().ca}`;
  for (const args of [[other, ca], [ca, other]]) {
    const { code, stderr } = await runScript("fetch.ts", [...args, url], { cwd: folder.path });
    assertEquals([code, folder.text("f")], [0, "hello"], stderr);
  }
});

testPeer("fetch.ts trusts --cacert for a list of checksums, too", ["openssl"], async () => {
  await using server = new TlsServer(made().good, replying(HELLO));
  const list = `https://localhost:${server.port}/list`;
  const args = [`--cacert=${made().ca}`, "--checksum", list, "http://a.example/"];
  const { code, stderr } = await runScript("fetch.ts", args);
  assertEquals(code, 90, stderr);
});

testPeer("request reads megabytes over TLS", ["openssl"], async () => {
  const body = noise(2_500_000);
  const replies = [
    joined(`${OK}Content-Length: ${body.length}\r\n\r\n`, body),
    joined(`${OK}\r\n`, body),
    joined(CHUNKED, `${body.length.toString(16)}\r\n`, body, "\r\n0\r\n\r\n"),
  ];
  await using folder = new Folder();
  for (const reply of replies) {
    await using server = new TlsServer(made().good, replying(reply));
    const url = `https://127.0.0.1:${server.port}/`;
    const { bytes } = await download(url, { caCerts: made().caCerts, output: folder.file("f") });
    assertEquals(bytes, body.length);
    assert(isSame(folder.bytes("f"), body));
  }
});

/** A server, the host it is asked by, and what the error says. */
interface Untrusted {
  what: string;
  chain: () => Chain;
  host?: string;
  says: RegExp;
}

const UNTRUSTED: Untrusted[] = [
  {
    what: "a CA nobody knows",
    chain: () => made().unknownCa,
    says: /not trusted: unknown issuer$/,
  },
  { what: "a chain with a gap", chain: () => made().noIntermediate, says: /unknown issuer/ },
  { what: "a certificate for another name", chain: () => made().wrongName, says: /another name/ },
  {
    what: "a certificate for another name, asked by name",
    chain: () => made().wrongName,
    host: "localhost",
    says: /another name/,
  },
  { what: "an expired certificate", chain: () => made().expired, says: /expired/ },
  {
    what: "a CA's own certificate",
    chain: () => ({
      certificate: made().ca,
      leaf: made().ca,
      key: made().ca.replace(/pem$/, "key"),
    }),
    says: /not trusted: it is an authority's own\b.*; make one for the server/,
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
        const { message } = await rejectsWith(60, getTrusted(`https://${host}:${server.port}/`));
        assertMatch(message, says);
        assert(message.includes(`${host}:${server.port}`), message);
        assertEquals(heads, []);
      });
    }
    await t.step("nobody but the usual CAs without --cacert", async () => {
      await using server = new TlsServer(made().good, replying(HELLO));
      const getting = getTrusted(`https://localhost:${server.port}/`, { caCerts: [] });
      assertEquals((await rejectsWith(60, getting)).topic, "issuer");
    });
  },
);

testPeer(
  "fetch.ts ends with 60 for a bad certificate, in one line, without a file",
  ["openssl"],
  async () => {
    await using folder = new Folder();
    await using server = new TlsServer(made().expired, replying(HELLO));
    const { port } = server;
    const args = [`--cacert=${made().ca}`, "--retry=0", `https://localhost:${port}/f`];
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
      assertMatch(
        stderr,
        /^fetch: (cannot read --cacert|no certificate in PEM form is in) .*\.pem.*\n$/,
      );
    });
  }
});

Deno.test("request leaves nothing open when caCerts cannot be used", async () => {
  await using server = new FakeServer(clientEnds);
  const caCerts = ["-----BEGIN CERTIFICATE-----\nMIIB\n"];
  await rejectsWith(35, request(`https://127.0.0.1:${server.port}/`, { caCerts }));
});

testPeer("request goes from http to https and never back", ["openssl"], async () => {
  const heads: string[] = [];
  const secrets = { user: "ann:secret", headers: ["Cookie: secret"], userAgent: "agent" };
  await using end = new TlsServer(made().good, replying(HELLO, heads));
  const to = `https://localhost:${end.port}/`;
  await using plain = new FakeServer(replying(redirect(to)));
  assertEquals(await getTrusted(`http://127.0.0.1:${plain.port}/`, secrets), "hello");
  assert(!/secret|authorization/i.test(heads[0]!), heads[0]);

  await using other = new TlsServer(made().good, replying(redirect(to)));
  assertEquals(await getTrusted(`https://localhost:${other.port}/`, secrets), "hello");
  assert(!/secret|authorization/i.test(heads[1]!), heads[1]);

  let asked = 0;
  await using insecure = new FakeServer(() => void asked++);
  const back = `http://localhost:${insecure.port}/`;
  for (const location of [back, back.replace("http", "HTTP")]) {
    await using down = new TlsServer(made().good, replying(redirect(location)));
    await rejectsWith(
      47,
      getTrusted(`https://localhost:${down.port}/`),
      `from https back to ${back}`,
    );
  }
  assertEquals(asked, 0);
});

testPeer(
  "request takes a Location without scheme for https if it came over that",
  ["openssl"],
  async () => {
    await using server: TlsServer = new TlsServer(
      made().good,
      replying((head) =>
        head.includes(" /end ") ? HELLO : redirect(`//localhost:${server.port}/end`)
      ),
    );
    using response = await request(`https://127.0.0.1:${server.port}/`, {
      caCerts: made().caCerts,
    });
    assertEquals(response.url, `https://localhost:${server.port}/end`);
  },
);

testPeer(
  "request asks for close and waits for none: a TLS server may stay open",
  ["openssl"],
  async () => {
    const ended = Promise.withResolvers<void>();
    await using server = new TlsServer(made().good, async (conn) => {
      await readHead(conn);
      await writeAll(conn, bytesOf(HELLO));
      for await (const _ of readUntilEof(conn)); // the client ends it
      ended.resolve();
    });
    assertEquals(await getTrusted(`https://127.0.0.1:${server.port}/`), "hello");
    await ended.promise;
  },
);
