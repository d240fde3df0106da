/**
 * What a missing close_notify means for each framing.
 *
 * @module
 */
import { assertEquals } from "jsr:@std/assert@^1.0.0";
import zlib from "node:zlib";
import { download, type RequestOptions } from "../../fetch.ts";
import { readUntilEof, writeAll } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { joined } from "../support/bytes.ts";
import { certificatesOfFile } from "../support/certificates.ts";
import { get } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { testPeer } from "../support/peers.ts";
import { CHUNKED, HELLO, OK } from "../support/replies.ts";
import { FakeServer, replying, TlsServer } from "../support/servers.ts";

/** The certificates of this file. */
const made = certificatesOfFile();

function getTrusted(url: string, options: RequestOptions = {}): Promise<string> {
  return get(url, { caCerts: made().caCerts, ...options });
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
        await using server = new TlsServer(made().good, replying(reply));
        await using cutting = withoutCloseNotify(server.port);
        for (const [{ port }, code] of [[server, clean], [cutting, cut]] as const) {
          const getting = getTrusted(`https://127.0.0.1:${port}/`, options);
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
    await using server = new TlsServer(made().good, replying(`${OK}\r\nhello`));
    await using cutting = withoutCloseNotify(server.port);
    const output = folder.file("f"), url = `https://127.0.0.1:${cutting.port}/`;
    await rejectsWith(
      18,
      download(url, { caCerts: made().caCerts, output, retry: 0 }),
      "close_notify",
    );
    assertEquals([folder.names, folder.text("f.part")], [["f.part", "f.part.json"], "hello"]);
  },
);
