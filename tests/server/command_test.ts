/**
 * server.ts as a command: its log, its options, its signals.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { VERSION } from "../../mod.ts";
import { Caller, ServerProcess } from "../support/caller.ts";
import { IPV6, testPeer } from "../support/peers.ts";
import { ROOT, runScript } from "../support/process.ts";
import { some } from "../support/thorough.ts";

Deno.test("server.ts logs as the tutorial's server, and ends with 0 and a summary", async () => {
  await using server = new ServerProcess(["--delay", "0"]);
  using caller = await server.call();
  await caller.asks("Michael", "Hello, Michael!");
  await caller.says("exit");
  await caller.hearsEnd();
  caller[Symbol.dispose]();
  await server.heard("stdout", /closed/);
  const { code } = await server.stop("SIGINT");
  assertEquals(code, 0);
  assertEquals(
    server.stdout,
    `Waiting for connection...\nAccept new connection from ${caller.address}...\n` +
      `Connection from ${caller.address} closed.\n`,
  );
  assertMatch(
    server.stderr,
    /^server: listening on 127\.0\.0\.1:\d+ \(Ctrl\+C stops it\)\nserver: ended, 1 connection \(0 open\), 1 message, 15 bytes, up \d+\.\d s\n$/,
  );
});

Deno.test({
  name: "server.ts --hostname listens there, and shows IPv6 addresses in brackets",
  ignore: !IPV6,
  async fn() {
    await using server = new ServerProcess(["--hostname", "::1", "--delay=0"]);
    const [, address] = await server.heard("stderr", /listening on (\S+)/);
    assertEquals(address, `[::1]:${await server.port()}`);
    using caller = await Caller.call(await server.port(), "::1");
    assertMatch(caller.address, /^\[::1\]:\d+$/);
    await server.heard(
      "stdout",
      new RegExp(`from \\[::1\\]:${caller.conn.localAddr.port}\\.\\.\\.`),
    );
  },
});

Deno.test("server.ts waits a second before replies unless --delay says how long", async () => {
  await using slow = new ServerProcess(), fast = new ServerProcess(["--delay", "0"]);
  using first = await slow.call(), second = await fast.call();
  const from = performance.now();
  await first.says("Ada");
  for (let i = 0; i < 10; i++) await second.asks("Bob", "Hello, Bob!");
  await first.hears("Hello, Ada!");
  assert(performance.now() - from > 990);
});

Deno.test("server.ts --lines --max-message takes longer lines for the end", async () => {
  await using server = new ServerProcess(["--lines", "--max-message", "10", "--delay", "0"]);
  using caller = await server.call();
  await caller.says("0123");
  await caller.asks("456789\n0123456789A", "Hello, 0123456789!\n");
  await caller.hearsEnd();
  await server.heard("stderr", /server: 127\.0\.0\.1:\d+ sent a line of over 10 bytes\n/);
});

Deno.test("server.ts --max-connections lets the others wait in the queue", async () => {
  await using server = new ServerProcess(["--max-connections", "2", "--delay", "0"]);
  using first = await server.call(), second = await server.call();
  using third = await Caller.dial(await server.port());
  for (let i = 0; i < 20; i++) await second.asks("Ada", "Hello, Ada!");
  assertEquals(server.stdout.match(/Accept/g)?.length, 2);
  first[Symbol.dispose]();
  await third.hears("Welcome!");
});

Deno.test("server.ts --idle-timeout closes silent connections", async () => {
  await using server = new ServerProcess(["--idle-timeout", "0.1"]);
  using silent = await server.call();
  await silent.hearsEnd();
  await server.heard("stderr", /server: 127\.0\.0\.1:\d+ was idle for 0\.1 s\n/);
  await server.heard("stdout", /closed/);
});

Deno.test({
  name: "server.ts --backlog bounds the kernel's queue, which holds 600 without it",
  ignore: Deno.build.os !== "linux",
  async fn() {
    /** How many connections wait to be accepted, as the kernel counts them. */
    function waiting(port: number): number {
      const hex = port.toString(16).toUpperCase().padStart(4, "0");
      const line = Deno.readTextFileSync("/proc/net/tcp").split("\n")
        .find((it) => it.includes(`0100007F:${hex} 00000000:0000 0A`));
      return parseInt(line!.split(/[ :]+/)[8]!, 16);
    }
    const one = ["--max-connections", "1", "--delay", "0"];
    await using server = new ServerProcess(one);
    await using small = new ServerProcess([...one, "--backlog", "1"]);
    const port = await server.port(), smallPort = await small.port();
    using stack = new DisposableStack();
    const first = stack.use(await server.call()), smallFirst = stack.use(await small.call());
    const dial = async () => stack.use(await Caller.dial(port));
    await Promise.all(Array.from({ length: 600 }, dial));
    assertEquals(waiting(port), 600);
    // One more than asked for waits, as ever on Linux; who else dials gets no answer.
    for (let i = 0; i < 2; i++) stack.use(await Caller.dial(smallPort));
    const hangUp = new AbortController();
    const third = Deno.connect({ port: smallPort, signal: hangUp.signal }).catch(() => {});
    await first.asks("Ada", "Hello, Ada!");
    await smallFirst.asks("Bob", "Hello, Bob!");
    assertEquals(waiting(smallPort), 2);
    hangUp.abort();
    await third;
  },
});

Deno.test("server.ts --grace bounds how long that takes", async () => {
  await using server = new ServerProcess(["--delay", "1000000", "--grace", "0.05"]);
  using busy = await server.call();
  await busy.says("Michael");
  using _idle = await server.call();
  server.child.kill("SIGTERM");
  await busy.hearsEnd();
  assertEquals((await server.child.status).code, 28);
  await server.heard(
    "stderr",
    /\nserver: 1 reply was cut after 0\.05 s\nserver: ended, .*, 1 reply cut, /,
  );
});

Deno.test({
  name: "server.ts shows its status on SIGUSR2, and goes on",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using server = new ServerProcess(["--delay", "0"]);
    using caller = await server.call();
    await caller.asks("A\nB\n", "Hello, A!\nHello, B!\n");
    server.child.kill("SIGUSR2");
    await server.heard(
      "stderr",
      /\nserver: 1 connection \(1 open\), 2 messages, 20 bytes, up \d+\.\d s\n/,
    );
    await caller.asks("C", "Hello, C!");
  },
});

Deno.test("server.ts --json logs one object a line, and no text", async () => {
  await using server = new ServerProcess(["--json", "--lines", "--max-message=2", "--delay=0"], [
    Deno.execPath(),
    (deno) => deno,
  ]);
  const [, address] = await server.heard("stdout", /"address":"([^"]+)"/);
  using caller = await Caller.call(Number(address!.split(":")[1]));
  await caller.asks("Al\nAda\n", "Hello, Al!\n");
  await caller.hearsEnd();
  caller[Symbol.dispose]();
  await server.heard("stdout", /"close"/);
  await server.stop("SIGINT");
  const peer = caller.address;
  const objects = server.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  for (const object of objects) assert(Date.parse(object.time) > 0);
  assert(objects.at(-1).seconds > 0);
  assertEquals(objects.map(({ time: _, seconds: __, ...rest }) => rest), [
    { event: "listening", address },
    { event: "accept", peer },
    { event: "warning", peer, message: `${peer} sent a line of over 2 bytes` },
    { event: "close", peer },
    { event: "summary", open: 0, total: 1, messages: 1, bytes: 11, cut: 0, dropped: 0 },
  ]);
  assertEquals(server.stderr, "");
});

Deno.test("server.ts -q logs no connection, but that an address has too many", async () => {
  const limits = ["--idle-timeout", "0.5", "--max-per-address", "1"];
  await using server = new ServerProcess(["-q", "--delay", "0", ...limits]);
  using caller = await server.call(), other = await Caller.dial(await server.port());
  await caller.asks("Ada", "Hello, Ada!");
  await other.hearsEnd();
  await caller.hearsEnd();
  await server.stop("SIGINT");
  assertEquals(server.stdout, "");
  assertMatch(
    server.stderr,
    /^server: listening [^\n]+\nserver: 127\.0\.0\.1 has 1 connection, [^\n]+\nserver: ended, 2 conn[^\n]+\n$/,
  );
});

Deno.test("server.ts says that its port is in use", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  assertEquals(await runScript("server.ts", ["-p", `${port}`]), {
    code: 1,
    bytes: new Uint8Array(),
    stdout: "",
    stderr:
      `server: 127.0.0.1:${port} is already in use (is another server running? choose --port)\n`,
  });
});

Deno.test("server.ts says in one line that it cannot listen there, and what to do", async () => {
  const { code, stdout, stderr } = await runScript("server.ts", ["--hostname=nowhere.invalid"]);
  assertEquals([code, stdout], [6, ""]);
  assertEquals(
    stderr,
    "server: cannot resolve nowhere.invalid (choose another --hostname)\n",
  );
});

Deno.test("server.ts says what a bad command line should be", async () => {
  const numbers: [string[], string][] = [
    [["--idle-timeout", "1e3"], '--idle-timeout takes a number from 0 to 2147483, not "1e3"'],
    [["--max-message", "0"], '--max-message takes a whole number from 1 to 1073741824, not "0"'],
    [["--delay", "-1"], '--delay takes a whole number from 0 to 2147483647, not "-1"'],
    [["--max-connections=x"], '--max-connections takes a whole number from 1 to 1000000, not "x"'],
    [["--backlog", "0"], '--backlog takes a whole number from 1 to 65535, not "0"'],
    [["--grace", ""], "--grace takes a number from 0 to 2147483"],
  ];
  const lines: typeof numbers = [
    [["-p", "70000"], '--port takes a whole number from 0 to 65535, not "70000"'],
    [["--hostname="], "--hostname takes a name or address"],
    [["9999"], "unexpected argument 9999 (--help shows the usage)"],
    ...some(numbers),
  ];
  const ended = await Promise.all(lines.map(([args]) => runScript("server.ts", args)));
  assertEquals(
    ended.map(({ code, stdout, stderr }) => [code, stdout, stderr]),
    lines.map(([, line]) => [2, "", `server: ${line}\n`]),
  );
});

Deno.test("server.ts says which permission is missing and how to grant it", async () => {
  const args = ["--port", "8000", "--hostname=localhost", "--reuse-port"];
  const ended = await runScript("server.ts", args, { permissions: ["--unstable-net"] });
  assertEquals([ended.code, ended.stdout], [77, ""]);
  assertEquals(
    ended.stderr,
    'server: net access to "127.0.0.1:8000" is not granted (run: deno run --unstable-net ' +
      `'--allow-net=127.0.0.1:8000,[::1]:8000' ${ROOT}server.ts ${args.join(" ")})\n`,
  );
});

Deno.test("server.ts needs to be allowed no more than the address it listens on", async () => {
  await using server = new ServerProcess([], [Deno.execPath(), (deno) => {
    return deno.map((word) => word === "--allow-all" ? "--allow-net=127.0.0.1:0" : word);
  }]);
  using caller = await server.call();
  await caller.says("exit");
  await caller.hearsEnd();
});

Deno.test("server.ts --help has lines for a screen, and --version is a version", async () => {
  const [help, h, version] = await Promise.all(
    ["--help", "-h 9999", "--version 9999"].map((args) => runScript("server.ts", args.split(" "))),
  );
  assertEquals([help!.code, help!.stderr, help!.stdout], [0, "", h!.stdout]);
  const lines = help!.stdout.trimEnd().split("\n");
  assert(lines.every((line) => line.length < 80), help!.stdout);
  for (const option of help!.stdout.matchAll(/--[a-z-]+/g)) assert(!option[0].endsWith("-"));
  assertEquals(
    [version!.code, version!.stdout, version!.stderr],
    [0, `server.ts ${VERSION}\n`, ""],
  );
});

for (
  const [what, stdout, log] of [
    ["nobody reads its log", ">(head -n 1)", "Waiting for connection...\n"],
    ["the disk of its log is full", "/dev/full", ""],
  ] as const
) {
  testPeer(`server.ts goes on when ${what}`, ["bash"], async () => {
    await using server = new ServerProcess(["--delay", "0"], ["bash", (deno) => {
      return ["-c", `exec "$0" "$@" > ${stdout}`, Deno.execPath(), ...deno];
    }]);
    for (let i = 0; i < 3; i++) {
      using caller = await server.call();
      await caller.asks("Ada", "Hello, Ada!");
    }
    assertEquals((await server.stop("SIGINT")).code, 0);
    assertEquals(server.stdout, log);
  });
}
