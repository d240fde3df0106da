/**
 * client.ts with services that do not greet: `--connect`, `--send`, `--expect`; and `probe()`.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { probe } from "../../client.ts";
import { readUntilEof, writeAll } from "../../mod.ts";
import { rejectsWith } from "../support/assertions.ts";
import { encode } from "../support/bytes.ts";
import { makeCertificates } from "../support/certificates.ts";
import { runClient, tutorialServer } from "../support/client.ts";
import { testPeer } from "../support/peers.ts";
import { runScript } from "../support/process.ts";
import { clientEnds, closedPort, FakeServer, TlsServer } from "../support/servers.ts";
import { some } from "../support/thorough.ts";

/** Says `banner`, then repeats what it hears behind `=`. */
function echoing(banner = ""): FakeServer {
  return new FakeServer(async (conn) => {
    await writeAll(conn, encode(banner));
    const buffer = new Uint8Array(1024);
    for (let n; (n = await conn.read(buffer)) !== null;) {
      await writeAll(conn, Uint8Array.from([0x3d, ...buffer.subarray(0, n)]));
    }
  });
}

Deno.test("client.ts --connect sees that a connection is accepted, and says nothing", async () => {
  const heard = Promise.withResolvers<number | null>();
  await using server = new FakeServer(async (conn) => {
    heard.resolve(await conn.read(new Uint8Array(9)));
  });
  const { code, stdout, stderr } = await runClient(server.port, ["--connect"]);
  const expected = { code: 0, stdout: `127.0.0.1:${server.port} accepted\n`, stderr: "" };
  assertEquals({ code, stdout, stderr }, expected);
  assertEquals(await heard.promise, null);
  assertEquals((await runClient(closedPort(), ["--connect"])).code, 7);
});

Deno.test("client.ts --send sends these bytes, and --expect compares what comes first", async () => {
  await using server = echoing("220 hi\r\n");
  const { port } = server;
  const good = await runClient(port, ["--send", "A\\x00\\xff\\\\\\t", "--expect", "220 hi\\r\\n"]);
  const stdout = `127.0.0.1:${port} answered "220 hi\\r\\n"\n`;
  assertEquals({ ...good, bytes: 0 }, { code: 0, stdout, stderr: "", bytes: 0 });
  const more = "220 hi\\r\\n=A\\x00\\xff\\\\\\t";
  const all = await runClient(port, ["--send", "A\\x00\\xff\\\\\\t", "--expect", more]);
  assertEquals([all.code, all.stdout], [0, `127.0.0.1:${port} answered "${more}"\n`]);
});

Deno.test("probe sends all that is to be sent, though no answer is expected", async () => {
  const sent = new Uint8Array(10_000_000), { promise, resolve } = Promise.withResolvers<number>();
  await using server = new FakeServer(async (conn) => {
    let length = 0;
    for await (const bytes of readUntilEof(conn)) length += bytes.length;
    resolve(length);
  });
  await probe({ port: server.port, send: sent });
  assertEquals(await promise, sent.length);
});

Deno.test("probe fails when what is to be sent is not taken", async () => {
  await using server = new FakeServer(async (conn) => void await conn.read(new Uint8Array(1)));
  await rejectsWith(56, probe({ port: server.port, send: new Uint8Array(10_000_000) }), "broke");
});

Deno.test("client.ts --expect shows what came instead, and exits with 1", async () => {
  await using server = echoing("220 hi\r\n");
  const { code, stdout, stderr } = await runClient(server.port, ["--expect", "220 ho"]);
  assertEquals({ code, stdout }, { code: 1, stdout: "" });
  const message =
    `unexpected reply from 127.0.0.1:${server.port}: "220 hi\\r\\n" instead of "220 ho"`;
  assertEquals(stderr, `client: ${message}\n`);
});

Deno.test("client.ts --expect is not content with a part of it", async () => {
  await using closing = new FakeServer((conn) => writeAll(conn, encode("220")));
  await rejectsWith(56, probe({ port: closing.port, expect: "220 " }), "closed");
  await using closed = new FakeServer(() => {});
  await rejectsWith(52, probe({ port: closed.port, expect: "220 " }), "without a word");
  await using silent = new FakeServer(async (conn) => {
    await writeAll(conn, encode("220"));
    await clientEnds(conn);
  });
  const { code, stderr } = await runClient(silent.port, ["--expect", "220 ", "--timeout", "0.3"]);
  assertEquals(code, 28);
  assertMatch(stderr, /did not answer within 0\.3 s \(see --timeout\)\n$/);
});

Deno.test("probe takes an answer that comes before all is sent", async () => {
  const answered = Promise.withResolvers<void>();
  await using server = new FakeServer(async (conn) => {
    await writeAll(conn, encode("413 too much"));
    await answered.promise; // it reads nothing
  });
  const send = new Uint8Array(20_000_000); // more than sockets hold
  try {
    assert((await probe({ port: server.port, send, expect: "413 " })).ms > 0);
  } finally {
    answered.resolve();
  }
});

Deno.test("client.ts --connect and --expect tell programs who answered, what and when", async () => {
  await using server = echoing("\xff\x00小");
  const where = `127.0.0.1:${server.port}`;
  const told = async (...args: string[]) => {
    const by = `localhost:${server.port}`;
    const { stdout } = await runScript("client.ts", ["--hostname", by, "--json", ...args]);
    const { time, ms, server: asked, ...rest } = JSON.parse(stdout);
    assertEquals(asked, by);
    assert(ms > 0 && Math.abs(Date.now() - Date.parse(time)) < 60_000, stdout);
    return rest;
  };
  assertEquals(await told("--connect"), { event: "connection", address: where });
  assertEquals(
    await told("--expect", "\\xc3\\xbf\\x00小"),
    { event: "answer", address: where, answer: "ÿ\\x00小" },
  );
});

Deno.test("client.ts --hostname takes HOST:PORT, and not two ports", async () => {
  await using server = echoing();
  const connect = (...args: string[]) => runScript("client.ts", ["--connect", ...args]);
  assertEquals((await connect(`--hostname=localhost:${server.port}`, `-p${server.port}`)).code, 0);
  const port = closedPort();
  const six = await connect(`--hostname=[::1]:${port}`);
  assertEquals(six.code, 7);
  assert(six.stderr.startsWith(`client: cannot connect to [::1]:${port}: `), six.stderr);
  for (const host of some(["db:70000", "db:0", ":80"])) {
    const { code, stderr } = await connect(`--hostname=${host}`);
    assertEquals(code, 2);
    assertEquals(stderr, `client: --hostname takes HOST or HOST:PORT, not "${host}"\n`);
  }
  const two = await connect(`--hostname=127.0.0.1:${server.port}`, `-p${port}`);
  assertEquals([two.code, two.stderr], [2, "client: --hostname says another port than --port\n"]);
});

Deno.test("client.ts takes a NAME like a server for a slip, but not behind --", async () => {
  await using server = tutorialServer([]);
  const slip = await runClient(server.port, ["Ada", "localhost:9999"]);
  assertEquals([slip.code, slip.stdout], [2, ""]);
  assertMatch(slip.stderr, /looks like a server, .* \(see --hostname and --port; behind -- it/);
  const meant = ["localhost:9999", "65535", "[::1]:80", "db.example:5432", "1"];
  const onlyLike = ["70000", "a:b", "123456", "12:", "R2D2", "a: 1"];
  const args = [...onlyLike, "-", "--", ...meant];
  const { code, stdout } = await runClient(server.port, args, "9999\n");
  const replies = [...onlyLike, "9999", ...meant].map((name) => `Hello, ${name}!\n`);
  assertEquals([code, stdout], [0, `Welcome!\n${replies.join("")}`]);
});

Deno.test("client.ts refuses a NAME that was not UTF-8, and takes U+FFFD from stdin", async () => {
  await using server = echoing("Welcome!");
  const sh = `exec "$0" run --no-prompt -A client.ts -p ${server.port} "$(printf 'A\\377')"`;
  const output = await new Deno.Command("sh", {
    args: ["-c", sh, Deno.execPath()],
    cwd: new URL("../../", import.meta.url),
  }).output();
  const stderr = new TextDecoder().decode(output.stderr);
  // Deno 2.9.5 refuses it itself
  const ofRuntime = stderr.includes("invalid UTF-8 was detected");
  assertEquals([output.code, output.stdout.length], [ofRuntime ? 1 : 2, 0]);
  assert(ofRuntime || /^client: "A.*" was not UTF-8 \(.*NAME -\)\n$/.test(stderr), stderr);
  const piped = await runClient(server.port, ["-"], "\ufffd\n");
  assertMatch(piped.stderr, /"=\\xef\\xbf\\xbd" instead of "Hello, /); // it was sent
  const text = await runClient(server.port, ["--expect", "\ufffd"]);
  assertEquals(text.code, 2);
});

testPeer("client.ts --servername is the name the certificate is for", ["openssl"], async () => {
  await using certificates = await makeCertificates();
  const { ca, wrongName } = certificates; // for wrong.example
  await using server = new TlsServer(wrongName, async (conn) => {
    await writeAll(conn, encode("+PONG\r\n"));
  });
  const client = (...args: string[]) =>
    runScript("client.ts", ["-p", `${server.port}`, "--cacert", ca, ...args]);
  await rejectsWith(60, probe({ port: server.port, tls: true, caCerts: certificates.caCerts }));
  const answer = await client("--servername=wrong.example", "--expect=+PONG\\r\\n");
  assertEquals([answer.code, answer.stderr], [0, ""]);
  const bad = await client("--connect", "--servername", "a b");
  assertEquals([bad.code, bad.stderr], [2, "client: Invalid hostname: 'a b'\n"]);
});

Deno.test("probe with tls says that the handshake takes too long", async () => {
  await using server = new FakeServer(clientEnds);
  const pending = probe({ port: server.port, tls: true, timeout: 0.3 });
  await rejectsWith(28, pending, "did not finish the TLS handshake within 0.3 s");
});

Deno.test("probe gives the address and the time, or fails as connect does", async () => {
  await using server = echoing("220 ");
  const { port } = server;
  const { address, ms } = await probe({ port, send: Uint8Array.of(1), expect: "220 =\x01" });
  assertEquals(address, { hostname: "127.0.0.1", port });
  assert(ms > 0);
  await rejectsWith(1, probe({ port, expect: "250 " }), "instead of");
  await rejectsWith(7, probe({ port: closedPort() }), "cannot connect");
});
