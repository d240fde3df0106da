/**
 * Servers that cut their replies, never end them, or write to the terminal.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "jsr:@std/assert@^1.0.0";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { download } from "../../fetch.ts";
import { TrioError, writeAll } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { bytesOf, joined, textOf } from "../support/bytes.ts";
import { get } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { each, runScript } from "../support/process.ts";
import { CHUNKED, CODED, HELLO, OK, redirect, TEXT } from "../support/replies.ts";
import { FakeServer, readHead, replying, urlOf } from "../support/servers.ts";
import { THOROUGH } from "../support/thorough.ts";

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
  for (const [number, [what, reply]] of CUT.entries()) {
    await t.step(what, async () => {
      await using folder = new Folder();
      await using server = new FakeServer(replying((head) => {
        return reply.subarray(0, Number(head.split(" ")[1]!.slice(1)));
      }));
      const options = { output: folder.file("f"), retry: 0, compressed: true };
      // the cuts in the head are those of the first
      const start = THOROUGH || number === 0 ? 0 : textOf(reply).indexOf("\r\n\r\n");
      // the codings have all cuts in the test below
      const step = THOROUGH || number < 2 ? 1 : 3;
      for (let cut = reply.length - 1; cut >= start; cut -= step) {
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

Deno.test("request takes a coded body that EOF frames for complete at its own end only", async () => {
  for (const coding of ["gzip", "deflate", "br"]) {
    const reply = joined(`${OK}Content-Encoding: ${coding}\r\n\r\n`, CODED[coding]!);
    const start = reply.length - CODED[coding]!.length;
    await using server = new FakeServer(replying((head) => {
      return reply.subarray(0, Number(head.split(" ")[1]!.slice(1)));
    }));
    const cutAt = (cut: number) => get(urlOf(server, `/${cut}`), { compressed: true });
    for (let cut = start + 1; cut < reply.length; cut++) await rejectsWith(61, cutAt(cut));
    assertEquals(await cutAt(reply.length), TEXT);
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

/** What never ends, as `request` meets it; protocol/response_test.ts has more. */
const ENDLESS: [what: string, start: string, piece: string][] = [
  ["a head of 100 MB", `${OK}A: `, "b".repeat(65536)],
  ["interim replies", "", `HTTP/1.1 103 Hints\r\nA: ${"b".repeat(2000)}\r\n\r\n`.repeat(30)],
  ["something else", "220 ftp", " welcome\r\n".repeat(1000)],
  ["a chunk's extension", `${CHUNKED}5;`, "a".repeat(65536)],
  ["trailers", `${CHUNKED}0\r\n`, "A: b\r\n".repeat(10_000)],
];

/** Sends `start` and then `piece` again and again; `broke` has how much the client took. */
function endless(start: string, piece: string): FakeServer & { broke: Promise<number> } {
  const broke = Promise.withResolvers<number>();
  const server = new FakeServer(async (conn) => {
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
  return Object.assign(server, { broke: broke.promise });
}

/** What was read, and what the kernel holds for a reader, is no more than this. */
const FEW_BYTES = 32 * 1024 * 1024;

Deno.test("request gives up on what never ends, and closes the connection", async (t) => {
  for (const [what, start, piece] of ENDLESS) {
    await t.step(what, async () => {
      await using server = endless(start, piece);
      await rejectsWith(8, get(urlOf(server)));
      assert(await server.broke < FEW_BYTES);
    });
  }
});

Deno.test("fetch.ts gives up on a list of checksums that never ends", async () => {
  await using server = endless(`${OK}\r\n`, "no sum\n".repeat(10_000));
  const { code, stderr } = await runScript("fetch.ts", ["--checksum", urlOf(server), "a.example"]);
  assertEquals(code, 1, stderr);
  assert(await server.broke < FEW_BYTES);
});

const ESC = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f";

/** Replies with bytes that a terminal would obey. */
// deno-fmt-ignore
const ESCAPES: [what: string, code: number, reply: string][] = [
  ["a reason phrase", 0, `HTTP/1.1 200 ${ESC}\r\nContent-Length: 0\r\n\r\n`],
  ["values, Latin-1 and UTF-8", 0, `${OK}A: ${ESC}\r\nB: \xc2\x9b31m\xe2\x82\xac\r\nC: a\rb\r\nContent-Length: 0\r\n\r\n`],
  ["names", 0, `${OK}A${ESC}: b\r\nContent-Length: 0\r\n\r\n`],
  ["an interim reply", 0, `HTTP/1.1 103 ${ESC}\r\n\r\n${OK}A${ESC}: ${ESC}\r\nContent-Length: 0\r\n\r\n`],
  ["a status of 400 or more", 22, `HTTP/1.1 404 ${ESC}\r\nContent-Length: 0\r\n\r\n`],
  ["another protocol", 8, `SSH${ESC}\r\n\r\n`],
  ["a status line", 8, `HTTP/1.1 ${ESC}\r\n\r\n`],
  ["a line without colon", 8, `${OK}${ESC}\r\n\r\n`],
  ["a length", 8, `${OK}Content-Length: ${ESC}\r\n\r\n`],
  ["a transfer coding", 61, `${OK}Transfer-Encoding: ${ESC}\r\n\r\n`],
  ["a content coding", 61, `${OK}Content-Encoding: ${ESC}\r\n\r\nhello`],
  ["a redirect to no http", 47, redirect(`x:${ESC}`)],
  ["a redirect to no URL", 3, redirect(`http://[${ESC}`)],
  ["a redirect to no host", 6, redirect(`http://${"a".repeat(64)}.example/${ESC}`)],
];

/** The ways to show them. */
const SHOWN = [[], ["--head"], ["--verbose"], ["--json"]];

Deno.test("fetch.ts shows no control bytes of a server", async (t) => {
  await using folder = new Folder();
  await using server = new FakeServer(replying((head) => {
    return ESCAPES[Number(head.split(" ")[1]!.slice(1))]![2];
  }));
  const urls = ESCAPES.map((_, at) => urlOf(server, `/${at}`));
  await each(SHOWN, async (args) => {
    const options = ["--retry=0", "--compressed", `--output-dir=${folder.file(`d${args}`)}`];
    const { code, stdout, stderr } = await runScript("fetch.ts", [...options, ...args, ...urls]);
    const shown = stdout + stderr;
    assertEquals(code, 22, "the first that fails is the answer 404");
    assert(!/[^\P{Cc}\n\t]/u.test(shown), JSON.stringify(shown));
    if (args[0] !== "--json") return;
    const codes = stdout.trimEnd().split("\n").map((line) => JSON.parse(line).error?.code ?? 0);
    assertEquals(stderr.match(/^fetch: .*$/gm)?.length, codes.filter((code) => code > 0).length);
    for (const [at, [what, expected]] of ESCAPES.entries()) {
      await t.step(what, () => assertEquals(codes[at], expected));
    }
  });
});
