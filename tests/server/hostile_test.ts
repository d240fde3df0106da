/**
 * Peers that reset, flood, stay silent, never read, or send what is no greeting;
 * and no descriptors left.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { readAll } from "../../mod.ts";
import { encode } from "../support/bytes.ts";
import { Caller, quickServer, ServerProcess } from "../support/caller.ts";
import { testPeer } from "../support/peers.ts";
import { run } from "../support/process.ts";

const text = new TextDecoder();

/** Asserts that somebody else is greeted. */
async function greets(port: number) {
  using caller = await Caller.call(port);
  await caller.asks("Ada\n", "Hello, Ada!\n");
}

/** Sends as fast as it goes until the server ends the connection; returns how much was taken. */
async function flood(conn: Deno.Conn, chunk: Uint8Array): Promise<number> {
  let taken = 0;
  try {
    for (;;) taken += await conn.write(chunk);
  } catch {
    return taken;
  }
}

for (const delay of [0, 20]) {
  Deno.test(`serve outlives resets, with a delay of ${delay} ms`, async () => {
    await using server = quickServer({ delay });
    for (const words of ["", "Ada", "Ada\n".repeat(100)]) {
      const callers = await Promise.all(Array.from({ length: 20 }, () => Caller.dial(server.port)));
      for (const caller of callers) {
        if (words) await caller.says(words);
        caller[Symbol.dispose](); // before it read the welcome: a reset
      }
      await greets(server.port);
    }
    await server.shutdown();
    assertEquals(server.status().total, 63);
  });
}

testPeer(
  "serve outlives connections that were reset before it accepts them",
  ["python3"],
  async () => {
    await using server = quickServer({ maxConnections: 1 });
    using first = await Caller.call(server.port); // the others wait in the kernel's queue
    const resets = await run("python3", [
      "-c",
      `
import socket, struct
for _ in range(20):
    s = socket.create_connection(("127.0.0.1", ${server.port}))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
`,
    ]);
    assertEquals([resets.code, resets.stderr], [0, ""]);
    const last = greets(server.port);
    first[Symbol.dispose]();
    await last;
  },
);

Deno.test("serve answers bytes that come one at a time", async () => {
  await using server = quickServer(), lines = quickServer({ lines: true });
  using caller = await Caller.call(server.port), other = await Caller.call(lines.port);
  for (const byte of "exit") await caller.asks(byte, `Hello, ${byte}!`);
  await caller.asks("\r", "Hello, \r!");
  await caller.asks("\n", "Hello, !\n");
  for (const byte of encode("小明\r\nexi\n")) await other.says(Uint8Array.of(byte));
  await other.hears("Hello, 小明!\r\nHello, exi!\n");
});

Deno.test("serve returns bytes that are no UTF-8 as they came", async () => {
  await using server = quickServer();
  using caller = await Caller.call(server.port);
  const bytes = (...more: number[]) => Uint8Array.from([...encode("Hello, "), ...more, 33]);
  await caller.asks(Uint8Array.of(0xff, 0xfe), bytes(0xff, 0xfe));
  await caller.asks(Uint8Array.of(0xe5, 0xb0), bytes(0xe5, 0xb0)); // a code point, split
  await caller.asks(Uint8Array.of(0x8f), bytes(0x8f));
  await caller.asks(Uint8Array.of(0), bytes(0));
});

Deno.test("serve answers a mebibyte without newline, in pieces", async () => {
  await using server = quickServer();
  using caller = await Caller.call(server.port);
  const size = 2 ** 20;
  const heard = readAll(caller.conn, 2 * size);
  await caller.says("x".repeat(size));
  await caller.conn.closeWrite();
  const names = text.decode(await heard).match(/^(Hello, x+!)+$/)![0].match(/x+/g)!;
  assertEquals(names.join("").length, size);
  assert(names.length >= size / 1024);
});

Deno.test("serve with lines ends a mebibyte without newline, after what came before it", async () => {
  const warnings: string[] = [];
  await using server = quickServer({
    lines: true,
    onEvent: (event) => event.event === "warning" && warnings.push(event.message),
  });
  using caller = await Caller.call(server.port);
  const heard = readAll(caller.conn, 1000);
  await caller.says(`Ada\n${"x".repeat(2 ** 20)}\nBob\n`).catch(() => {}); // it may be closed by then
  assertEquals(text.decode(await heard), "Hello, Ada!\n");
  assertEquals(warnings, [`${caller.address} sent a line of over 65536 bytes`]);
  await greets(server.port);
});

Deno.test("serve answers what is no greeting at all, a line at a time", async () => {
  await using server = quickServer();
  using caller = await Caller.call(server.port);
  await caller.asks(
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "Hello, GET / HTTP/1.1!\r\nHello, Host: x!\r\nHello, !\r\n",
  );
});

Deno.test("serve stops reading from a peer that never reads, and ends it in time", async () => {
  const warnings: string[] = [];
  await using server = quickServer({
    idleTimeout: 1,
    onEvent: (event) => event.event === "warning" && warnings.push(event.message),
  });
  using greedy = await Caller.call(server.port);
  const taken = flood(greedy.conn, encode("\n".repeat(2 ** 16)));
  for (let i = 0; i < 20; i++) await greets(server.port);
  assert(await taken < 2 ** 25, "more than the buffers of the two sockets can hold");
  assertEquals(warnings, [`${greedy.address} was idle for 1 s`]);
});

Deno.test("shutdown does not wait for a peer that never reads beyond grace", async () => {
  await using server = quickServer({ grace: 0.05 });
  using greedy = await Caller.call(server.port);
  const taken = flood(greedy.conn, encode("Ada\n".repeat(2 ** 14)));
  for (let i = 0; i < 5; i++) await greets(server.port);
  await server.shutdown();
  await taken;
});

Deno.test("serve greets each of 200 busy connections", async () => {
  await using server = quickServer();
  await Promise.all(Array.from({ length: 200 }, async (_, name) => {
    using caller = await Caller.call(server.port);
    for (let i = 0; i < 5; i++) await caller.asks(`${name}`, `Hello, ${name}!`);
    await caller.says("exit");
    await caller.hearsEnd();
  }));
  await server.shutdown();
  const { total, messages } = server.status();
  assertEquals({ total, messages }, { total: 200, messages: 1000 });
});

Deno.test("serve ends at once in the middle of 200 busy connections", async () => {
  const controller = new AbortController();
  await using server = quickServer({ signal: controller.signal });
  const callers = await Promise.all(Array.from({ length: 200 }, () => Caller.call(server.port)));
  const busy = Promise.withResolvers<void>();
  const cut = Promise.allSettled(callers.map(async (caller) => {
    for (let i = 0;; i++) {
      await caller.asks(`${i}`, `Hello, ${i}!`);
      if (i === 5) busy.resolve();
    }
  }));
  await busy.promise;
  controller.abort();
  await server.finished;
  assertEquals(server.status().open, 0);
  assert((await cut).every(({ status }) => status === "rejected"));
  for (const caller of callers) caller[Symbol.dispose]();
});

Deno.test({
  name: "server.ts holds 1,100 idle connections, and no descriptor of them afterwards",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using server = new ServerProcess(["--delay", "0", "--quiet"]);
    const { pid } = server.child;
    const descriptors = () => [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
    using caller = await server.call();
    await caller.asks("Ada", "Hello, Ada!");
    const before = descriptors();
    const port = await server.port();
    // more than the system lets a process have if that asks for no more
    const idle = await Promise.all(Array.from({ length: 1100 }, () => Caller.call(port)));
    assertEquals(descriptors(), before + 1100);
    await greets(port);
    for (const it of idle) it[Symbol.dispose]();
    while (descriptors() > before) await caller.asks("Ada", "Hello, Ada!");
    assertEquals(descriptors(), before);
  },
});

testPeer("server.ts outlives the lack of descriptors, and says so once", ["bash"], async () => {
  await using server = new ServerProcess(["--delay", "0"], ["bash", (deno) => {
    // the runtime would warn that it has no descriptor to read these certificates
    const script = 'unset NODE_EXTRA_CA_CERTS; ulimit -n 64; exec "$0" "$@"';
    return ["-c", script, Deno.execPath(), ...deno];
  }]);
  const port = await server.port();
  const callers = await Promise.all(Array.from({ length: 100 }, () => Caller.dial(port)));
  const lacking = server.heard("stderr", /server: cannot accept: .*\(os error 24\)\n/);
  await Promise.all(callers.map(async (caller) => {
    await caller.hears("Welcome!");
    await lacking;
    await caller.asks("Ada", "Hello, Ada!");
    caller[Symbol.dispose]();
  }));
  await greets(port);
  assertEquals((await server.stop("SIGTERM")).code, 0);
  assertMatch(server.stderr, /^server: listening .*\nserver: cannot .*\nserver: ended, 101 .*\n$/);
});

Deno.test("server.ts logs nothing that a peer sends", async () => {
  await using server = new ServerProcess(["--delay", "0", "--lines", "--max-message", "100"]);
  using caller = await server.call();
  const name = "\x1b[2J\x1b]0;owned\x07\rAccept new connection from 6.6.6.6:6...";
  await caller.asks(`${name}\n`, `Hello, ${name}!\n`);
  await caller.says(`${name.repeat(3)}\n`);
  await caller.hearsEnd();
  caller[Symbol.dispose]();
  await server.heard("stdout", /closed/);
  assertEquals(
    server.stdout,
    `Waiting for connection...\nAccept new connection from ${caller.address}...\n` +
      `Connection from ${caller.address} closed.\n`,
  );
  assertMatch(server.stderr, /^server: [^\n]+\nserver: 127\.0\.0\.1:\d+ sent a line of[^\n]+\n$/);
});
