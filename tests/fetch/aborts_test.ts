/**
 * An abort at any moment: it ends what waits, with its reason.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects } from "jsr:@std/assert@^1.0.0";
import { download, type DownloadOptions, request } from "../../fetch.ts";
import { TrioError, writeAll } from "../../mod.ts";
import { bytesOf, joined } from "../support/bytes.ts";
import { bodyOf, get } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { Origin, serveResource } from "../support/origin.ts";
import { writeRecord } from "../support/output.ts";
import { denoArgs, run } from "../support/process.ts";
import { seeingConnections } from "../support/replaced.ts";
import { CODED, HELLO, OK, RECORD, redirect } from "../support/replies.ts";
import {
  clientEnds,
  FakeServer,
  FullListener,
  readHead,
  replying,
  soon,
  urlOf,
} from "../support/servers.ts";
import { ManualTimeouts, WatchedSignal } from "../support/signals.ts";

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
      const last = what === "after a redirect" ? 2 : 1;
      await using server = new FakeServer(async (conn, count) => {
        await conn.read(new Uint8Array(4096));
        if (count === 1) await writeAll(conn, bytesOf(reply));
        // not while it connects: there Deno 2.9 can lose a connection that was just made
        if (count === last) setTimeout(() => abort.abort(reason));
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

Deno.test("request is ended by its signal as the connection is made", async () => {
  const abort = new AbortController(), reason = new Error("enough");
  const ended = Promise.withResolvers<void>();
  await using server = new FakeServer((conn) => clientEnds(conn).finally(ended.resolve));
  using _ = seeingConnections(() => abort.abort(reason));
  const failing = assertRejects(() => request(urlOf(server), { signal: abort.signal }), Error);
  await soon(failing.then((error) => assert(error === reason, `${error}`)));
  await soon(ended.promise);
});

Deno.test("request is ended by its signal while TLS begins", async () => {
  await using server = new FakeServer(clientEnds);
  for (let turns = 0; turns < 8; turns++) {
    const abort = new AbortController(), reason = new Error("enough");
    const onDialogue = async (line: string) => {
      if (!line.startsWith("* Connected")) return;
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      abort.abort(reason);
    };
    const url = `https://127.0.0.1:${server.port}/`, options = { signal: abort.signal, onDialogue };
    const failing = assertRejects(() => request(url, options), Error);
    await soon(failing.then((error) => assert(error === reason, `${error} after ${turns} turns`)));
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

Deno.test("download is ended by its signal while its limit of speed makes it wait", async () => {
  const abort = new AbortController(), reason = new Error("enough");
  await using folder = new Folder();
  await using server = new FakeServer(replying(HELLO));
  const options: DownloadOptions = {
    output: folder.file("f"),
    limitRate: 0.001, // a quarter of an hour for a byte
    signal: abort.signal,
    onHead: () => void setTimeout(() => abort.abort(reason), 100),
  };
  const failing = assertRejects(() => download(urlOf(server), options), Error);
  await soon(failing.then((error) => assert(error === reason, `${error}`)));
});

Deno.test("download does not give FILE its name when it is aborted before the last act", async () => {
  await using folder = new Folder();
  const reason = new Error("enough"), body = bytesOf("hello"), etag = '"1"';
  await using origin = new Origin((asked) => serveResource(asked, { body, etag }));
  writeRecord(folder, "f.part", { url: origin.url(), etag, total: 5 });
  folder.write("f.part", body); // all is there: nothing is read after the head
  for (const output of [folder.file("f"), "/dev/null"]) {
    const abort = new AbortController(), { signal } = abort;
    const onHead = () => abort.abort(reason);
    const options = { output, resume: output !== "/dev/null", signal, onHead };
    const error = await assertRejects(() => download(origin.url(), options), Error);
    assert(error === reason, `${error}`);
  }
  assertEquals(folder.names, ["f.part", "f.part.json"]);
});

Deno.test("request and download leave no listener on their signal, and no time limit", async () => {
  using timeouts = new ManualTimeouts();
  await using folder = new Folder();
  await using origin = new Origin(({ target }) => {
    if (target === "/again") return redirect("/file");
    return target === "/cut" ? HELLO.slice(0, -1) : HELLO;
  });
  const { signal, listeners } = new WatchedSignal();
  assertEquals(await get(origin.url("/again"), { signal, maxTime: 100 }), "hello");
  (await request(origin.url(), { signal })).close();
  await assertRejects(() => get(origin.url("/cut"), { signal }), TrioError);
  await assertRejects(() => request(origin.url("/again"), { signal, maxRedirects: 0 }), TrioError);
  await assertRejects(
    () => request("http://127.0.0.1:1/", { signal, proxy: "gopher://a" }),
    TrioError,
  );
  await assertRejects(() => request(origin.url(), { signal, headers: ["no line"] }), TrioError);
  const headers = 5 as unknown as string[];
  await assertRejects(() => request(origin.url(), { signal, headers }), TrioError);
  for (const path of ["/again", "/cut"]) {
    const options = { output: folder.file("f"), retry: 0, signal };
    await download(origin.url(path), options).catch(() => {});
  }
  assertEquals(listeners.size, 0);
  // one that somebody listens to keeps a program from its end
  assertEquals(timeouts.made.filter(({ listeners }) => listeners.size > 0).map(({ ms }) => ms), []);
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
