/**
 * The time limits: at each stage of an exchange, and over all.
 *
 * @module
 */
import { assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { request } from "../../fetch.ts";
import { writeAll } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { bytesOf } from "../support/bytes.ts";
import { get } from "../support/fetch.ts";
import { Folder } from "../support/folder.ts";
import { each, pause, runScript } from "../support/process.ts";
import { seeingConnections } from "../support/replaced.ts";
import { CHUNKED, HELLO, OK, RECORD, redirect } from "../support/replies.ts";
import { clientEnds, FakeServer, FullListener, readHead, urlOf } from "../support/servers.ts";
import { ManualTimeouts } from "../support/signals.ts";

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
    await pause(20);
  }
}

/** What the error says of each limit; which option sets it is the command line's to say. */
const SAYS: Record<Stage["limit"], RegExp> = {
  "connect-timeout": /^timed out: no connection to \S+ within 0\.1 s$/,
  "stall-timeout": /^timed out: no (reply from \S+|byte of the body) within 0\.1 s$/,
  "max-time": /^timed out: not done within 0\.1 s$/,
};

/** Fails unless it takes too long, by this limit of a tenth of a second. */
async function passes(limit: Stage["limit"], pending: Promise<unknown>) {
  assertMatch((await rejectsWith(28, pending)).message, SAYS[limit]);
}

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

/** Waits until the limit of a stage passes; the other limits are out of reach. */
async function waitsFor({ url, proxy, limit, handshake, serve }: Stage) {
  const ended = Promise.withResolvers<void>();
  await using server = new FakeServer((conn) => serve(conn).finally(ended.resolve));
  const here = (text: string) => text.replace("HOST", `127.0.0.1:${server.port}`);
  const getting = get(here(url), {
    proxy: proxy && here(proxy),
    compressed: true,
    connectTimeout: limit === "connect-timeout" ? LIMIT_S : 60,
    stallTimeout: limit === "stall-timeout" ? LIMIT_S : 60,
    maxTime: limit === "max-time" ? LIMIT_S : 60,
  });
  await passes(limit, getting);
  if (!handshake) await ended.promise;
}

Deno.test("request ends with 28 when a limit passes, and closes the connection", async (t) => {
  const waiting = LIMITED.map((stage) => ({ what: stage.what, done: waitsFor(stage) }));
  await Promise.allSettled(waiting.map(({ done }) => done)); // they only wait
  for (const { what, done } of waiting) await t.step(what, () => done);
});

/** Stages with each limit, in each of its wordings. */
const WORDED = LIMITED.filter(({ what }) =>
  /^the (reply does not come|body does not come|handshake does not come|proxy does not answer),/
    .test(what)
);

Deno.test("fetch.ts ends with 28 when a limit passes, and says which", async (t) => {
  await using folder = new Folder();
  const results = await each([...WORDED.entries()], async ([at, stage]) => {
    await using server = new FakeServer(stage.serve);
    const here = (text: string) => text.replace("HOST", `127.0.0.1:${server.port}`);
    return await runScript("fetch.ts", [
      "--retry=0",
      ...[`--${stage.limit}=${LIMIT_S}`, "--compressed", `--output=${folder.file(`${at}`)}`],
      ...[...stage.proxy ? ["--proxy", here(stage.proxy)] : [], here(stage.url)],
    ]);
  });
  for (const [at, { code, stderr }] of results.entries()) {
    const { what, limit } = WORDED[at]!;
    await t.step(what, () => {
      assertEquals(code, 28, stderr);
      assertMatch(
        stderr,
        new RegExp(`^fetch: timed out: .* \\(--${limit}( allows more)?\\)[^-]*\n$`),
      );
    });
  }
});

Deno.test("fetch.ts ends with 28 when --max-time passes with a list of checksums", async () => {
  await using server = new FakeServer(clientEnds);
  const args = ["--checksum", urlOf(server), `--max-time=${LIMIT_S}`, "http://a.example/"];
  const { code, stderr } = await runScript("fetch.ts", args);
  assertEquals(code, 28);
  assertMatch(stderr, /^fetch: timed out: not done within .* s \(--max-time\)\n$/);
});

Deno.test("request ends with 28 when nobody takes the connection", async () => {
  using listener = await FullListener.start();
  const url = urlOf(listener);
  await passes("connect-timeout", get(url, { connectTimeout: LIMIT_S }));
  await passes("max-time", get(url, { maxTime: LIMIT_S }));
});

Deno.test("request gives each redirect its own time, within --max-time", async () => {
  await using server = new FakeServer(async (conn) => {
    const [, path = ""] = (await readHead(conn)).split(" ");
    await drip(conn, "HTTP/1.1 ");
    const reply = path === "/4" ? HELLO : redirect(`/${Number(path.slice(1)) + 1}`);
    await writeAll(conn, bytesOf(reply.slice("HTTP/1.1 ".length)));
  });
  const url = urlOf(server, "/0");
  assertEquals(await get(url, { stallTimeout: 0.8, connectTimeout: 0.8 }), "hello");
  await rejectsWith(28, get(url, { maxTime: 0.8 }), "not done within 0.8 s");
});

Deno.test("request does not count the time that its reader takes", async () => {
  const headRead = Promise.withResolvers<void>();
  await using server = new FakeServer(async (conn) => {
    await readHead(conn);
    await writeAll(conn, bytesOf(HELLO.slice(0, -5)));
    await headRead.promise;
    await writeAll(conn, bytesOf(HELLO.slice(-5)));
  });
  using response = await request(urlOf(server), { stallTimeout: 0.1 });
  headRead.resolve();
  for (let n = 0; n < 3; n++) {
    await pause(250);
    assertEquals(await response.read(new Uint8Array(1)), 1);
  }
});

Deno.test("request waits no longer for a server that takes no request than for one that is silent", async () => {
  await using server = new FakeServer(clientEnds);
  using _ = seeingConnections((conn) => {
    const stuck = Promise.withResolvers<never>(), { close } = conn;
    conn.write = () => stuck.promise;
    conn.close = () => {
      close.call(conn);
      stuck.reject(new Deno.errors.BadResource("closed"));
    };
  });
  await passes("stall-timeout", get(urlOf(server), { stallTimeout: LIMIT_S, maxTime: 9 }));
});

Deno.test("HttpResponse waits no longer for the bytes of a chunk than for its size", async () => {
  const headRead = Promise.withResolvers<void>();
  await using server = new FakeServer(async (conn) => {
    await readHead(conn);
    await writeAll(conn, bytesOf(CHUNKED));
    await headRead.promise;
    await writeAll(conn, bytesOf("5\r\n"));
    await clientEnds(conn);
  });
  using response = await request(urlOf(server), { stallTimeout: LIMIT_S, maxTime: 9 });
  headRead.resolve();
  await passes("stall-timeout", response.read(new Uint8Array(9)));
});

Deno.test("request has the limits of the command where it is given none", async () => {
  const headAsked = Promise.withResolvers<void>(), goOn = Promise.withResolvers<void>();
  await using server = new FakeServer(async (conn) => {
    await readHead(conn);
    headAsked.resolve();
    await goOn.promise;
    await writeAll(conn, bytesOf(`${OK}\r\n`));
    await clientEnds(conn);
  });
  using timeouts = new ManualTimeouts();
  const seconds = () => Math.round(timeouts.made.at(-1)!.ms / 10_000) * 10;
  const asking = request(urlOf(server));
  await headAsked.promise;
  assertEquals(seconds(), 30, "for the connection");
  timeouts.made.at(-1)!.pass();
  assertEquals(seconds(), 60, "for the head");
  goOn.resolve();
  using response = await asking;
  timeouts.made.at(-1)!.pass(); // nobody reads
  const { length } = timeouts.made, reading = response.read(new Uint8Array(9)).catch(() => {});
  assertEquals([timeouts.made.length, seconds()], [length + 1, 60], "for the body");
  response.close();
  await reading;
});

Deno.test("request waits on while interim replies come (RFC 9110 15.2)", async () => {
  await using server = new FakeServer(async (conn) => {
    await readHead(conn);
    for (let left = 3; left > 0; left--) {
      await pause(400);
      await writeAll(conn, bytesOf("HTTP/1.1 102 Processing\r\n\r\n"));
    }
    await writeAll(conn, bytesOf(HELLO));
  });
  const said: string[] = [], onDialogue = (line: string) => void said.push(line);
  assertEquals(await get(urlOf(server), { stallTimeout: 0.9, onDialogue }), "hello");
  assertEquals(said.filter((line) => line.startsWith("< HTTP/1.1 102")).length, 3);
});
