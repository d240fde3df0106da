/**
 * server.ts with TLS: the same greetings, and handshakes that cost only themselves.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertThrows } from "jsr:@std/assert@^1.0.0";
import { readAll, TrioError, writeAll } from "../../mod.ts";
import { serve, type ServeOptions } from "../../server.ts";
import { encode } from "../support/bytes.ts";
import { Caller, quickServer, ServerProcess } from "../support/caller.ts";
import { certificatesOfFile } from "../support/certificates.ts";
import { testPeer } from "../support/peers.ts";
import { denoArgs, Running, runScript } from "../support/process.ts";
import { hurried } from "../support/replaced.ts";

const certificates = certificatesOfFile();

/** The options of serve() for TLS. */
const tls = () => ({
  cert: Deno.readTextFileSync(certificates().good.certificate),
  key: Deno.readTextFileSync(certificates().good.key),
});

/** A server as a process, with TLS. */
const tlsProcess = (...args: string[]) => {
  const { certificate, key } = certificates().good;
  return new ServerProcess([`--cert=${certificate}`, `--key=${key}`, "--delay=0", ...args]);
};

const connect = (port: number) =>
  Deno.connectTls({ hostname: "localhost", port, caCerts: certificates().caCerts });

testPeer("serve with TLS answers, also after a half-close", ["openssl"], async () => {
  await using server = quickServer({ ...tls(), delay: 20 });
  using conn = await connect(server.port);
  await writeAll(conn, encode("Ada\nBob"));
  await conn.closeWrite();
  assertEquals(await readAll(conn, 100), encode("Welcome!Hello, Ada!\nHello, Bob!"));
});

testPeer("serve with TLS writes all of what does not fit at once", ["openssl"], async () => {
  await using server = quickServer(tls());
  using conn = await connect(server.port);
  const names = "\n".repeat(2 ** 16), heard = readAll(conn, 2 ** 20);
  await writeAll(conn, encode(names));
  await conn.closeWrite();
  assertEquals((await heard).length, "Welcome!".length + names.length * "Hello, !\n".length);
});

testPeer("serve with TLS closes after exit, and for a shutdown", ["openssl"], async () => {
  await using server = quickServer(tls());
  using one = await connect(server.port), two = await connect(server.port);
  await writeAll(one, encode("exit"));
  assertEquals(await readAll(one, 100), encode("Welcome!"));
  await writeAll(two, encode("Ada"));
  const ended = server.shutdown();
  assertEquals(await readAll(two, 100), encode("Welcome!Hello, Ada!"));
  one.close();
  await ended;
});

testPeer("serve with TLS outlives what is no handshake, and says whose", ["openssl"], async () => {
  await using server = quickServer(tls());
  for (const words of ["GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x00\x05hello", ""]) {
    using caller = await Caller.dial(server.port);
    if (words) await caller.says(words);
    else await caller.conn.closeWrite();
    await caller.conn.read(new Uint8Array(100)).catch(() => {}); // an alert, or a reset
    const warned = () =>
      server.events.some((it) => it.event === "warning" && it.peer === caller.address);
    while (!warned()) {
      using conn = await connect(server.port);
      await writeAll(conn, encode("exit"));
      assertEquals(await readAll(conn, 100), encode("Welcome!"));
    }
  }
  const warning = server.events.find((it) => it.event === "warning");
  assertMatch(warning!.message, /^127\.0\.0\.1:\d+: TLS handshake failed: /);
});

testPeer(
  "serve gives a handshake ten seconds, and then its place to others",
  ["openssl"],
  async () => {
    using time = hurried();
    await using server = quickServer({ ...tls(), idleTimeout: 0, maxConnections: 2 });
    using silent = await Caller.dial(server.port);
    using conn = await connect(server.port);
    assertEquals(await conn.read(new Uint8Array(8)), 8);
    using third = await connect(server.port); // its handshake waits for the place
    assertEquals(await third.read(new Uint8Array(8)), 8);
    assert(time.passed > 10_000);
    const peer = silent.address, message = `${peer} made no TLS handshake in 10 s`;
    assertEquals(
      server.events.filter((it) => it.event === "warning" && it.peer),
      [{ event: "warning", peer, message }],
    );
    await writeAll(conn, encode("Ada"));
    assertEquals(await conn.read(new Uint8Array(100)), "Hello, Ada!".length);
  },
);

testPeer("server.ts --cert greets client.ts", ["openssl"], async () => {
  await using server = tlsProcess();
  const args = ["--hostname=localhost", `--port=${await server.port()}`, "Ada", "小明"];
  const { code, stdout, stderr } = await runScript("client.ts", [
    `--cacert=${certificates().ca}`,
    ...args,
  ]);
  assertEquals([code, stdout], [0, "Welcome!\nHello, Ada!\nHello, 小明!\n"], stderr);
});

const GREETED = /Welcome!Hello, Ada!/;

testPeer("server.ts --cert greets openssl s_client, ncat and Python", [
  "openssl",
  "ncat",
  "python3",
], async () => {
  await using server = tlsProcess();
  const port = await server.port(), { ca } = certificates();
  const python = `
import socket, ssl
context = ssl.create_default_context(cafile="${ca}")
s = context.wrap_socket(socket.create_connection(("127.0.0.1", ${port})), server_hostname="localhost")
print(s.recv(8).decode(), end="")
s.sendall(b"Ada")
print(s.recv(100).decode())`;
  const verify = ["-CAfile", ca, "-verify_return_error", "-verify_hostname", "localhost"];
  const commands: [string, string[]][] = [
    ["openssl", ["s_client", "-quiet", "-connect", `127.0.0.1:${port}`, ...verify]],
    ["ncat", ["--ssl-verify", "--ssl-trustfile", ca, "localhost", `${port}`]],
    ["python3", ["-c", python]],
  ];
  for (const [program, args] of commands) {
    await using typist = new Running(program, args, { typing: true });
    await typist.type("Ada\n");
    await typist.heard("stdout", GREETED);
  }
  const closed = /closed\.\n[^]*closed\.\n[^]*closed\.\n/;
  await server.heard("stdout", closed);
});

testPeer("serve and server.ts say what is wrong with a certificate", ["openssl"], async () => {
  const { cert, key } = tls(), port = 0;
  const alone = "a certificate needs its key, and a key its certificate";
  const useless = "cannot use the certificate and key: ";
  const cases: [ServeOptions, string][] = [
    [{ cert }, alone],
    [{ key }, alone],
    [{ cert: key, key }, useless],
    [{ cert, key: cert }, useless],
  ];
  for (const [options, message] of cases) {
    const { code } = assertThrows(() => serve({ port, ...options }), TrioError, message);
    assertEquals(code, 2);
  }
  const args = ["--port=0", `--cert=${certificates().good.certificate}`, "--key=/nowhere"];
  const { code, stderr } = await runScript("server.ts", args);
  assertEquals(code, 2, stderr);
  assertMatch(stderr, /^server: cannot read --key \/nowhere: No such file[^\n]*\n$/);
});

testPeer(
  "server.ts says which permissions a certificate needs, and runs with them",
  ["openssl"],
  async () => {
    const { certificate, key } = certificates().good;
    const args = [`--cert=${certificate}`, `--key=${key}`, "--port=0"];
    const { code, stderr } = await runScript("server.ts", args, { permissions: [] });
    assertEquals(code, 77);
    const flags = stderr.match(/run: deno run (.*?) \//)![1]!.split(" ");
    assertEquals(flags, ["--allow-net=127.0.0.1:0", `--allow-read=${certificate},${key}`]);
    await using server = new Running(Deno.execPath(), denoArgs("server.ts", args, flags));
    await server.heard("stderr", /listening/);
  },
);

testPeer("serve says nothing of a handshake that its own end cuts", ["openssl"], async () => {
  const atOnce = new AbortController();
  await using server = quickServer({ ...tls(), signal: atOnce.signal });
  using _silent = await Caller.dial(server.port);
  using conn = await connect(server.port);
  await conn.read(new Uint8Array(8)); // so the one before it has been accepted
  atOnce.abort();
  await server.finished;
  assertEquals(server.events.filter(({ event }) => event === "warning"), []);
});
