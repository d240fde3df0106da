/**
 * server.ts: its replies, its options, its shutdown, and `serve()`.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { TrioError, VERSION } from "../mod.ts";
import { Conversation, serve, type ServeOptions, type ServerEvent } from "../server.ts";
import { IPV6, testPeer } from "./compat/peers.ts";
import { Caller, ServerProcess, toBytes } from "./server_tools.ts";
import { runScript } from "./testing.ts";

/** Puts `bytes`, which must fit, where the next read goes, and returns the replies to them. */
function hear(conversation: Conversation, bytes: Uint8Array): Uint8Array {
  conversation.space.set(bytes);
  return conversation.hear(bytes.length);
}

/** What is not answered lies between `Hello, ` and the next read. */
function unanswered({ space }: Conversation): string {
  return new TextDecoder().decode(new Uint8Array(space.buffer, 0, space.byteOffset)).slice(7);
}

/** The replies to one read, how many, what is not answered, and why no more are. */
function greeted(words: string, lines = false, maxMessage?: number) {
  const conversation = new Conversation(lines, maxMessage);
  const replies = new TextDecoder().decode(hear(conversation, toBytes(words)));
  return [replies, conversation.messages, unanswered(conversation), conversation.end];
}

/** A server in this process, quick to answer, that tells its events. */
function quick(options: ServeOptions = {}) {
  const events: ServerEvent[] = [];
  const server = serve({
    port: 0,
    delay: 0,
    onEvent: (event) => events.push(event),
    ...options,
  });
  return Object.assign(server, { events, port: server.addr.port });
}

/** Asserts that nobody is welcomed any more; who dials as the server closes is reset. */
async function refuses(port: number) {
  const error = await assertRejects(() => Caller.call(port), Error);
  const { ConnectionRefused, ConnectionReset } = Deno.errors;
  assert(error instanceof ConnectionRefused || error instanceof ConnectionReset, `${error}`);
}

Deno.test("a reply ends as its message ended", () => {
  assertEquals(greeted("Ada"), ["Hello, Ada!", 1, "", undefined]);
  assertEquals(greeted("Ada\n"), ["Hello, Ada!\n", 1, "", undefined]);
  assertEquals(greeted("Ada\r\n"), ["Hello, Ada!\r\n", 1, "", undefined]);
  assertEquals(greeted("A\nB\r\n\nC"), [
    "Hello, A!\nHello, B!\r\nHello, !\nHello, C!",
    4,
    "",
    undefined,
  ]);
  assertEquals(greeted(""), ["", 0, "", undefined]);
});

Deno.test("an empty line is the empty name", () => {
  assertEquals(greeted("\n"), ["Hello, !\n", 1, "", undefined]);
  assertEquals(greeted("\r\n", true), ["Hello, !\r\n", 1, "", undefined]);
});

Deno.test("a CR that no LF follows is the message's", () => {
  assertEquals(greeted("A\rB\n"), ["Hello, A\rB!\n", 1, "", undefined]);
  assertEquals(greeted("Ada\r"), ["Hello, Ada\r!", 1, "", undefined]);
  assertEquals(greeted("A\r\r\n"), ["Hello, A\r!\r\n", 1, "", undefined]);
});

Deno.test("with lines, what no newline ends waits for more", () => {
  assertEquals(greeted("Ada\nGra", true), ["Hello, Ada!\n", 1, "Gra", undefined]);
  assertEquals(greeted("Gra", true), ["", 0, "Gra", undefined]);
  assertEquals(greeted("Grace\r", true), ["", 0, "Grace\r", undefined]);
  assertEquals(greeted("exit", true), ["", 0, "exit", undefined]);
});

Deno.test("with lines, EOF ends a message, too", () => {
  const conversation = new Conversation(true);
  assertEquals(hear(conversation, toBytes("Grace\r")), new Uint8Array());
  assertEquals(conversation.hear(null), toBytes("Hello, Grace\r!"));
  assertEquals(hear(conversation, toBytes("exit")), new Uint8Array());
  assertEquals(conversation.hear(null), new Uint8Array());
  assertEquals(conversation.end, "exit");
});

Deno.test("what comes before exit is answered and nothing behind it", () => {
  assertEquals(greeted("exit"), ["", 0, "", "exit"]);
  assertEquals(greeted("A\nexit\r\nB"), ["Hello, A!\n", 1, "B", "exit"]);
  for (const name of ["exit!", " exit", "EXIT", "exi", "exit\r"]) {
    assertEquals(greeted(name), [`Hello, ${name}!`, 1, "", undefined]);
  }
});

Deno.test("nothing is answered after exit", () => {
  const conversation = new Conversation();
  assertEquals(hear(conversation, toBytes("exit")), new Uint8Array());
  assertEquals(hear(conversation, toBytes("Ada")), new Uint8Array());
  assertEquals(hear(conversation, toBytes("Ada\nBob\n")), new Uint8Array());
  assertEquals(conversation.end, "exit");
});

Deno.test("the bytes of a message count without its newline", () => {
  assertEquals(greeted("12345\r\n", true, 5), ["Hello, 12345!\r\n", 1, "", undefined]);
  assertEquals(greeted("12345\r", true, 5), ["", 0, "12345\r", undefined]);
  assertEquals(greeted("A\n123456", true, 5), ["Hello, A!\n", 1, "123456", "too long"]);
  assertEquals(greeted("123456\r\nB\n", true, 5), ["", 0, "123456\r\nB\n", "too long"]);
  assertEquals(greeted("小明\n", true, 5)[3], "too long"); // bytes, not characters
  assertEquals(greeted("123456", false, 5)[3], undefined);
});

Deno.test("the bytes of a message come back unchanged", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    fc.pre(!bytes.includes(10) && new TextDecoder().decode(bytes) !== "exit" && bytes.length > 0);
    const expected = Uint8Array.from([...toBytes("Hello, "), ...bytes, 33]);
    assertEquals(hear(new Conversation(), bytes), expected);
  }));
});

Deno.test("a reply is that of its own message, also in a smaller buffer than the last one", () => {
  const conversation = new Conversation(true);
  const long = "x".repeat(1024);
  hear(conversation, toBytes(long));
  assertEquals(hear(conversation, toBytes("\nAd")), toBytes(`Hello, ${long}!\n`));
  assertEquals(hear(conversation, toBytes("a\n")), toBytes("Hello, Ada!\n"));
  assertEquals(hear(conversation, toBytes("Eve\n")), toBytes("Hello, Eve!\n"));
});

Deno.test("with lines, any split has the same replies", () => {
  const names = fc.constantFrom("Ada", "小明", "", "a\rb", "exi", "x".repeat(40), "y".repeat(5000));
  const ends = fc.infiniteStream(fc.constantFrom("\n", "\r\n"));
  const sizes = fc.infiniteStream(
    fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(700, 5000)),
  );
  fc.assert(fc.property(fc.array(names), ends, sizes, (names, ends, sizes) => {
    const lines = names.map((name) => [name, ends.next().value!]);
    const bytes = toBytes(lines.map((it) => it.join("")).join(""));
    const conversation = new Conversation(true);
    const replies: number[] = [];
    for (let at = 0, size; at < bytes.length; at += size) {
      size = Math.min(sizes.next().value!, conversation.space.length, bytes.length - at);
      assert(size > 0, "no space for a read");
      replies.push(...hear(conversation, bytes.subarray(at, at + size)));
    }
    assertEquals(unanswered(conversation), "");
    assert(conversation.space.buffer.byteLength < 2000, "holds on to the buffer of a long line");
    const expected = lines.map(([name, newline]) => `Hello, ${name}!${newline}`).join("");
    assertEquals(new TextDecoder().decode(Uint8Array.from(replies)), expected);
  }));
});

Deno.test("serve greets, answers, and closes after exit", async () => {
  await using server = quick();
  using caller = await Caller.call(server.port);
  await caller.asks("Michael", "Hello, Michael!");
  await caller.asks("小明\n", "Hello, 小明!\n");
  await caller.asks("A\nB\r\nexit\nC", "Hello, A!\nHello, B!\r\n");
  await caller.hearsEnd();
  await server.shutdown();
  const peer = caller.address;
  assertEquals(server.events, [
    { event: "listening", address: `127.0.0.1:${server.port}` },
    { event: "accept", peer },
    { event: "close", peer },
  ]);
});

Deno.test("serve reads on after exit, or a reset might take its last replies", async () => {
  await using server = quick();
  using caller = await Caller.call(server.port);
  await caller.asks("A\nexit", "Hello, A!\n");
  await caller.hearsEnd();
  for (let i = 0; i < 3; i++) await caller.says("more");
});

Deno.test("serve answers what it received before EOF", async () => {
  await using server = quick({ delay: 20 });
  using caller = await Caller.call(server.port);
  await caller.says("Michael\nTracy");
  await caller.conn.closeWrite();
  await caller.hears("Hello, Michael!\nHello, Tracy!");
  await caller.hearsEnd();
});

Deno.test("serve with lines answers when the newline comes, or EOF", async () => {
  await using server = quick({ lines: true });
  using caller = await Caller.call(server.port);
  for (const piece of ["Mi", "cha", "el", "\r"]) await caller.says(piece);
  await caller.asks("\nTra", "Hello, Michael!\r\n");
  await caller.asks("cy\nSarah", "Hello, Tracy!\n");
  await caller.conn.closeWrite();
  await caller.hears("Hello, Sarah!");
  await caller.hearsEnd();
});

Deno.test("serve with lines takes a line of maxMessage bytes, and ends with a longer one", async () => {
  await using server = quick({ lines: true, maxMessage: 5000 });
  using caller = await Caller.call(server.port);
  const line = "x".repeat(5000);
  await caller.asks(`${line}\r\n`, `Hello, ${line}!\r\n`);
  await caller.asks(`Ada\n${line}x`, "Hello, Ada!\n");
  await caller.hearsEnd();
  await server.shutdown();
  const { address: peer } = caller;
  const message = `${peer} sent a line of over 5000 bytes`;
  assertEquals(server.events.slice(2), [
    { event: "warning", peer, message },
    { event: "close", peer },
  ]);
});

Deno.test("serve waits before its replies, for each connection on its own", async () => {
  await using server = quick({ delay: 50 });
  const callers = await Promise.all(Array.from({ length: 20 }, () => Caller.call(server.port)));
  const from = performance.now();
  await Promise.all(callers.map((caller) => caller.asks("Ada", "Hello, Ada!")));
  assert(performance.now() - from > 45); // one after the other it would be a second
  for (const caller of callers) caller[Symbol.dispose]();
});

Deno.test("serve counts connections, messages and the bytes of replies", async () => {
  await using server = quick();
  using one = await Caller.call(server.port), two = await Caller.call(server.port);
  await one.asks("A\nB\n", "Hello, A!\nHello, B!\n");
  assertEquals(server.status().open, 2);
  await one.says("exit");
  await one.hearsEnd();
  await two.asks("C", "Hello, C!");
  await server.shutdown();
  const { seconds, ...counts } = server.status();
  assertEquals(counts, { open: 0, total: 2, messages: 3, bytes: 29 });
  assert(seconds > 0);
});

Deno.test("serve runs twice in one process, on an address of each", async () => {
  await using one = quick(), two = quick({ lines: true });
  using first = await Caller.call(one.port), second = await Caller.call(two.port);
  await one.shutdown();
  await first.hearsEnd();
  await second.asks("Ada\n", "Hello, Ada!\n");
});

Deno.test("serve holds those beyond maxConnections in the queue until one ends", async () => {
  await using server = quick({ maxConnections: 1 });
  using first = await Caller.call(server.port), second = await Caller.dial(server.port);
  let welcomed = false;
  const welcome = second.hears("Welcome!").then(() => welcomed = true);
  for (let i = 0; i < 20; i++) await first.asks("Ada", "Hello, Ada!");
  assert(!welcomed);
  await first.says("exit");
  await welcome;
  await second.asks("Bob", "Hello, Bob!");
  await server.shutdown(); // also when it is full
  await second.hearsEnd();
});

Deno.test("serve closes connections that send nothing for idleTimeout", async () => {
  await using server = quick({ idleTimeout: 0.05 });
  using caller = await Caller.call(server.port);
  await caller.hearsEnd();
  await server.shutdown();
  const { address: peer } = caller;
  assertEquals(server.events.slice(2), [
    { event: "warning", peer, message: `${peer} was idle for 0.05 s` },
    { event: "close", peer },
  ]);
});

Deno.test("serve does not take its own delay for idleness", async () => {
  await using server = quick({ idleTimeout: 0.02, delay: 200 });
  using caller = await Caller.call(server.port);
  await caller.asks("Ada", "Hello, Ada!");
  await caller.hearsEnd();
});

Deno.test("shutdown delivers replies in flight, ends idle connections, refuses new ones", async () => {
  await using server = quick({ delay: 100 });
  using busy = await Caller.call(server.port);
  await busy.says("A\nB");
  using idle = await Caller.call(server.port); // its welcome shows that A and B were read
  const ended = server.shutdown();
  assertEquals(server.finished, ended);
  await idle.hearsEnd();
  await refuses(server.port);
  assertEquals(server.status().open, 1);
  await busy.hears("Hello, A!\nHello, B!");
  await busy.hearsEnd();
  busy[Symbol.dispose]();
  await ended;
  assertEquals(server.status().open, 0);
});

Deno.test("shutdown gives replies in flight no more than grace", async () => {
  await using server = quick({ delay: 1e9, grace: 0.02 });
  using busy = await Caller.call(server.port);
  await busy.says("Ada");
  using _idle = await Caller.call(server.port);
  await server.shutdown();
  await busy.hearsEnd();
});

Deno.test("serve ends at once, with replies in flight, when its signal is aborted", async () => {
  const controller = new AbortController();
  const server = quick({ delay: 1e9, signal: controller.signal });
  using busy = await Caller.call(server.port);
  await busy.says("Ada");
  using _idle = await Caller.call(server.port);
  controller.abort();
  await busy.hearsEnd();
  await server.finished;
});

Deno.test("serve ends at once when its signal was aborted before", async () => {
  await serve({ port: 0, signal: AbortSignal.abort() }).finished;
});

Deno.test("serve throws what a command can report", async () => {
  await using server = quick();
  const { port } = server;
  const used = assertThrows(
    () => serve({ port }),
    TrioError,
    `127.0.0.1:${port} is already in use`,
  );
  assertEquals(used.code, 1);
  assert(used.cause instanceof Deno.errors.AddrInUse);
  const hostname = "nowhere.invalid";
  assertEquals(assertThrows(() => serve({ hostname }), TrioError, "cannot resolve").code, 6);
  const away = { hostname: "192.0.2.1", port: 0 }; // RFC 5737: no machine has it
  assertEquals(assertThrows(() => serve(away), TrioError, "cannot listen on 192.0.2.1").code, 1);
});

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
  await first.says("exit");
  await third.hears("Welcome!");
});

Deno.test("server.ts --idle-timeout closes silent connections, and 0 none", async () => {
  await using server = new ServerProcess(["--idle-timeout", "0.1"]);
  await using patient = new ServerProcess(["--idle-timeout", "0", "--delay", "0"]);
  using silent = await server.call(), other = await patient.call();
  await silent.hearsEnd();
  await server.heard("stderr", /server: 127\.0\.0\.1:\d+ was idle for 0\.1 s\n/);
  await server.heard("stdout", /closed/);
  await other.asks("Ada", "Hello, Ada!");
});

Deno.test({
  name: "server.ts --backlog bounds the kernel's queue, which holds a thousand without it",
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
    await Promise.all(Array.from({ length: 1000 }, dial));
    assertEquals(waiting(port), 1000);
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

Deno.test("server.ts delivers a reply in flight on SIGTERM, and exits with 0", async () => {
  await using server = new ServerProcess(["--delay", "300"]);
  using busy = await server.call();
  await busy.says("Michael");
  using idle = await server.call(); // its welcome shows that Michael was read
  server.child.kill("SIGTERM");
  await idle.hearsEnd();
  await refuses(await server.port());
  await busy.hears("Hello, Michael!");
  await busy.hearsEnd();
  busy[Symbol.dispose]();
  assertEquals((await server.child.status).code, 0);
  await server.heard("stderr", /ended, 2 connections \(0 open\), 1 message, 15 bytes/);
});

Deno.test("server.ts --grace bounds how long that takes", async () => {
  await using server = new ServerProcess(["--delay", "1000000", "--grace", "0.05"]);
  using busy = await server.call();
  await busy.says("Michael");
  using _idle = await server.call();
  server.child.kill("SIGTERM");
  await busy.hearsEnd();
  assertEquals((await server.child.status).code, 0);
});

Deno.test("server.ts ends at once on a second signal, with 130", async () => {
  await using server = new ServerProcess(["--delay", "1000000", "--grace", "1000"]);
  using busy = await server.call();
  await busy.says("Michael");
  using idle = await server.call();
  server.child.kill("SIGINT");
  await idle.hearsEnd();
  server.child.kill("SIGINT");
  await busy.hearsEnd();
  assertEquals((await server.child.status).code, 130);
});

Deno.test({
  name: "server.ts shows its status on SIGUSR1, and goes on",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using server = new ServerProcess(["--delay", "0"]);
    using caller = await server.call();
    await caller.asks("A\nB\n", "Hello, A!\nHello, B!\n");
    server.child.kill("SIGUSR1");
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
    { event: "summary", open: 0, total: 1, messages: 1, bytes: 11 },
  ]);
  assertEquals(server.stderr, "");
});

for (const quiet of ["--quiet", "-q"]) {
  Deno.test(`server.ts ${quiet} logs no connection`, async () => {
    await using server = new ServerProcess([quiet, "--delay", "0", "--idle-timeout", "0.5"]);
    using caller = await server.call();
    await caller.asks("Ada", "Hello, Ada!");
    await caller.hearsEnd();
    await server.stop("SIGINT");
    assertEquals(server.stdout, "");
    assertMatch(server.stderr, /^server: listening [^\n]+\nserver: ended, 1 conn[^\n]+\n$/);
  });
}

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

Deno.test("server.ts says in one line what is wrong with where it should listen", async () => {
  for (
    const [args, code, stderr] of [
      [
        "--hostname nowhere.invalid",
        6,
        "cannot resolve nowhere.invalid (choose another --hostname)",
      ],
      ["--hostname a..b", 6, "cannot resolve a..b (choose another --hostname)"],
      ["--hostname 192.0.2.1", 1, "cannot listen on 192.0.2.1:0: "],
    ] as const
  ) {
    const ended = await runScript("server.ts", [...args.split(" "), "--port=0"]);
    assertEquals([ended.code, ended.stdout], [code, ""]);
    assertEquals(ended.stderr.slice(0, `server: ${stderr}`.length), `server: ${stderr}`);
    assertEquals(ended.stderr.split("\n").length, 2);
  }
});

Deno.test("server.ts says what a bad command line should be", async () => {
  const lines: [string[], string][] = [
    [["--port", "abc"], '--port takes a whole number from 0 to 65535, not "abc"'],
    [["-p", "70000"], '--port takes a whole number from 0 to 65535, not "70000"'],
    [["--port"], "--port takes a port"],
    [["--hostname="], "--hostname takes a name or address"],
    [["--delay", "-1"], '--delay takes a whole number from 0 to 2000000000, not "-1"'],
    [["--max-message", "0"], '--max-message takes a whole number from 1 to 1073741824, not "0"'],
    [["--max-connections=x"], '--max-connections takes a whole number from 1 to 1000000, not "x"'],
    [["--idle-timeout", "1e3"], '--idle-timeout takes a number from 0 to 2000000, not "1e3"'],
    [["--backlog", "0"], '--backlog takes a whole number from 1 to 65535, not "0"'],
    [["--grace", ""], "--grace takes seconds"],
    [["--lines=1"], "--lines takes no value"],
    [["--tls"], "unknown option --tls (--help lists them)"],
    [["9999"], "unexpected argument 9999 (--help shows the usage)"],
    [["--port", "1\x1b[2J\n"], '--port takes a whole number from 0 to 65535, not "1\\x1b[2J\\n"'],
  ];
  const ended = await Promise.all(lines.map(([args]) => runScript("server.ts", args)));
  assertEquals(
    ended.map(({ code, stdout, stderr }) => [code, stdout, stderr]),
    lines.map(([, line]) => [2, "", `server: ${line}\n`]),
  );
});

Deno.test("server.ts says which permission is missing and how to grant it", async () => {
  const ended = await runScript("server.ts", ["--port", "8000", "--hostname=::1"], {
    permissions: [],
  });
  assertEquals([ended.code, ended.stdout], [77, ""]);
  assertEquals(
    ended.stderr,
    'server: net access to "[::1]:8000" is not granted (run: deno run ' +
      "'--allow-net=[::1]:8000' server.ts --port 8000 --hostname=::1)\n",
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

Deno.test("server.ts --help fits a screen, and --version is a version", async () => {
  const [help, h, version] = await Promise.all(
    ["--help", "-h", "--version"].map((option) => runScript("server.ts", [option])),
  );
  assertEquals([help!.code, help!.stderr, help!.stdout], [0, "", h!.stdout]);
  const lines = help!.stdout.trimEnd().split("\n");
  assert(lines.length <= 24 && lines.every((line) => line.length < 80));
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
