/**
 * What limits a peer: how many, how long, how silent.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { Caller, quickServer, ServerProcess } from "../support/caller.ts";
import { IPV6, testPeer } from "../support/peers.ts";
import { pause, run, runScript } from "../support/process.ts";

/** The messages of a server's warnings. */
function warnings({ events }: ReturnType<typeof quickServer>): string[] {
  return events.flatMap((event) => event.event === "warning" ? [event.message] : []);
}

Deno.test("serve closes more than maxPerAddress connections of one address, and says so once", async () => {
  await using server = quickServer({ maxPerAddress: 2, hostname: "0.0.0.0" });
  using one = await Caller.call(server.port), two = await Caller.call(server.port);
  for (let i = 0; i < 3; i++) {
    using three = await Caller.dial(server.port);
    await three.hearsEnd();
  }
  await two.asks("Ada", "Hello, Ada!");
  await one.says("exit");
  await one.hearsEnd();
  one[Symbol.dispose]();
  // one of it may come again, as soon as the server has noticed the end
  for (let welcomed = false; !welcomed;) {
    using again = await Caller.dial(server.port);
    welcomed = await again.conn.read(new Uint8Array(8)) === 8;
  }
  assertEquals(warnings(server).slice(0, 1), [
    "127.0.0.1 has 2 connections, the most it may have: more are closed",
  ]);
  assertEquals(warnings(server).length, 1);
});

Deno.test("serve warns of each kind for itself, once", async () => {
  await using server = quickServer({ maxPerAddress: 1, maxConnections: 2 });
  using _one = await Caller.call(server.port);
  for (let i = 0; i < 3; i++) {
    using more = await Caller.dial(server.port);
    await more.hearsEnd();
  }
  assertEquals(warnings(server), [
    "2 connections are open, the most there may be: others wait",
    "127.0.0.1 has 1 connection, the most it may have: more are closed",
  ]);
});

testPeer("serve counts the connections of each address for itself", ["python3"], async () => {
  await using server = quickServer({ maxPerAddress: 1 });
  using _mine = await Caller.call(server.port);
  const script = `
import socket
s = socket.create_connection(("127.0.0.1", ${server.port}), source_address=("127.0.0.2", 0))
print(s.recv(8).decode())`;
  assertEquals((await run("python3", ["-c", script])).stdout, "Welcome!\n");
});

Deno.test("serve closes a peer after maxTime, however busy it is, and not before", async () => {
  await using server = quickServer({ maxTime: 0.2 });
  using caller = await Caller.call(server.port);
  const from = performance.now();
  let ended = false;
  const buffer = new Uint8Array(100);
  while (!ended) {
    await pause(2);
    await caller.says("x").catch(() => {}); // it may be closed by then
    ended = await caller.conn.read(buffer).catch(() => null) === null;
  }
  const took = performance.now() - from;
  assert(took >= 195 && took < 1900, `${took} ms`);
  assertEquals(warnings(server), [`${caller.address} was connected for 0.2 s`]);
});

Deno.test("serve takes a slow line in pieces for no idleness", async () => {
  await using server = quickServer({ idleTimeout: 0.1, lines: true });
  using caller = await Caller.call(server.port);
  let pieces = 0;
  for (const from = performance.now(); performance.now() - from < 400; pieces++) {
    await caller.says("x");
    await pause(5);
    using _other = await Caller.call(server.port); // its welcome shows that the piece was read
  }
  await caller.asks("\n", `Hello, ${"x".repeat(pieces)}!\n`);
  assertEquals(warnings(server), []);
});

Deno.test("serve closes an idle peer no earlier than idleTimeout says", async () => {
  await using server = quickServer({ idleTimeout: 0.3 });
  await Promise.all(Array.from({ length: 8 }, async (_, i) => {
    using caller = await Caller.call(server.port);
    for (let word = 0; word <= 20 * i; word++) await caller.asks("Ada", "Hello, Ada!");
    const from = performance.now();
    await caller.hearsEnd();
    assert(performance.now() - from >= 295);
  }));
});

Deno.test("serve with idleTimeout 0 closes nobody for being idle, also when it sweeps", async () => {
  await using server = quickServer({ idleTimeout: 0, maxTime: 0.4 });
  using caller = await Caller.call(server.port);
  await caller.hearsEnd();
  assertEquals(warnings(server), [`${caller.address} was connected for 0.4 s`]);
});

Deno.test("serve sweeps again for who comes after a time without anybody", async () => {
  await using server = quickServer({ idleTimeout: 0.05 });
  for (let i = 0; i < 2; i++) {
    using caller = await Caller.call(server.port);
    await caller.hearsEnd();
  }
  assertEquals(warnings(server).length, 2);
});

Deno.test("server.ts says once that --max-connections is reached, also with --quiet", async () => {
  await using server = new ServerProcess(["--max-connections", "2", "--delay", "0", "--quiet"]);
  using first = await server.call(), second = await server.call();
  await server.heard(
    "stderr",
    /server: 2 connections are open, the most there may be: others wait\n/,
  );
  for (const caller of [first, second]) {
    await caller.says("exit");
    await caller.hearsEnd();
    caller[Symbol.dispose]();
    using next = await server.call();
    await next.asks("Ada", "Hello, Ada!");
  }
  await server.stop("SIGTERM");
  assertEquals(server.stderr.match(/others wait/g)?.length, 1);
});

testPeer("serve asks the kernel for keepalive probes", ["ss"], async () => {
  await using server = new ServerProcess(["--idle-timeout", "0"]);
  using _caller = await server.call();
  const { stdout } = await run("ss", [
    "-tno",
    "state",
    "established",
    "sport",
    "=",
    `:${await server.port()}`,
  ]);
  assert(/timer:\(keepalive,/.test(stdout), stdout);
});

Deno.test({
  name: "server.ts --hostname localhost listens on each of its addresses, on one port",
  ignore: !IPV6,
  async fn() {
    await using server = new ServerProcess(["--hostname", "localhost", "--delay", "0"]);
    const port = await server.port();
    await server.heard("stderr", new RegExp(`listening on \\[::1\\]:${port} `));
    for (const hostname of ["127.0.0.1", "::1"]) {
      using caller = await Caller.call(port, hostname);
      await caller.asks("Ada", "Hello, Ada!");
    }
    assertEquals((await server.stop("SIGTERM")).code, 0);
    assertEquals(server.stdout.match(/Waiting/g)?.length, 1);
  },
});

Deno.test({
  name: "serve shows an IPv4 peer of an IPv6 listener as IPv4",
  ignore: !IPV6,
  async fn() {
    await using server = quickServer({ hostname: "[::]" });
    using caller = await Caller.call(server.port);
    assertEquals(server.events, [
      { event: "listening", address: `[::]:${server.port}` },
      { event: "accept", peer: caller.address },
    ]);
  },
});

const LINK_LOCAL = Deno.networkInterfaces().find(({ address }) => address.startsWith("fe80:"));

Deno.test({
  name: "serve shows link-local addresses with their zone, as one connects to them",
  ignore: !LINK_LOCAL,
  async fn() {
    const hostname = `${LINK_LOCAL!.address}%${LINK_LOCAL!.name}`;
    await using server = quickServer({ hostname: `[${hostname}]` });
    using caller = await Caller.call(server.port, hostname);
    assertEquals(server.events, [
      { event: "listening", address: `[${hostname}]:${server.port}` },
      { event: "accept", peer: `[${hostname}]:${caller.conn.localAddr.port}` },
    ]);
  },
});

Deno.test("server.ts --reuse-port says what it needs", async () => {
  const { code, stderr } = await runScript("server.ts", ["--port=0", "--reuse-port"]);
  assertEquals(code, 2);
  assertMatch(stderr, /^server: --reuse-port needs .*deno run --unstable-net .*\n$/);
});
