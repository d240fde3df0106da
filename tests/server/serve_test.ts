/**
 * `serve()` in this process: greetings, limits, its end.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "jsr:@std/assert@^1.0.0";
import { TrioError } from "../../mod.ts";
import { serve } from "../../server.ts";
import { Caller, quickServer, refuses } from "../support/caller.ts";

Deno.test("serve greets, answers, and closes after exit", async () => {
  await using server = quickServer();
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
  await using server = quickServer();
  using caller = await Caller.call(server.port);
  await caller.asks("A\nexit", "Hello, A!\n");
  await caller.hearsEnd();
  for (let i = 0; i < 3; i++) await caller.says("more");
});

Deno.test("serve answers what it received before EOF", async () => {
  await using server = quickServer({ delay: 20 });
  using caller = await Caller.call(server.port);
  await caller.says("Michael\nTracy");
  await caller.conn.closeWrite();
  await caller.hears("Hello, Michael!\nHello, Tracy!");
  await caller.hearsEnd();
});

Deno.test("serve with lines answers when the newline comes, or EOF", async () => {
  await using server = quickServer({ lines: true });
  using caller = await Caller.call(server.port);
  for (const piece of ["Mi", "cha", "el", "\r"]) await caller.says(piece);
  await caller.asks("\nTra", "Hello, Michael!\r\n");
  await caller.asks("cy\nSarah", "Hello, Tracy!\n");
  await caller.conn.closeWrite();
  await caller.hears("Hello, Sarah!");
  await caller.hearsEnd();
});

Deno.test("serve with lines takes a line of maxMessage bytes, and ends with a longer one", async () => {
  await using server = quickServer({ lines: true, maxMessage: 5000 });
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
  await using server = quickServer({ delay: 50 });
  const callers = await Promise.all(Array.from({ length: 20 }, () => Caller.call(server.port)));
  const from = performance.now();
  await Promise.all(callers.map((caller) => caller.asks("Ada", "Hello, Ada!")));
  assert(performance.now() - from > 45); // one after the other it would be a second
  for (const caller of callers) caller[Symbol.dispose]();
});

Deno.test("serve counts connections, messages and the bytes of replies", async () => {
  await using server = quickServer();
  using one = await Caller.call(server.port), two = await Caller.call(server.port);
  await one.asks("A\nB\n", "Hello, A!\nHello, B!\n");
  assertEquals(server.status().open, 2);
  await one.says("exit");
  await one.hearsEnd();
  await two.asks("C", "Hello, C!");
  await server.shutdown();
  const { seconds, ...counts } = server.status();
  assertEquals(counts, { open: 0, total: 2, messages: 3, bytes: 29, cut: 0 });
  assert(seconds > 0);
});

Deno.test("serve runs twice in one process, on an address of each", async () => {
  await using one = quickServer(), two = quickServer({ lines: true });
  using first = await Caller.call(one.port), second = await Caller.call(two.port);
  await first.asks("Ada", "Hello, Ada!");
  await one.shutdown();
  await first.hearsEnd();
  await second.asks("Ada\n", "Hello, Ada!\n");
});

Deno.test("serve holds those beyond maxConnections in the queue until one ends", async () => {
  await using server = quickServer({ maxConnections: 1 });
  using first = await Caller.call(server.port), second = await Caller.dial(server.port);
  let welcomed = false;
  const welcome = second.hears("Welcome!").then(() => welcomed = true);
  for (let i = 0; i < 20; i++) await first.asks("Ada", "Hello, Ada!");
  assert(!welcomed);
  first[Symbol.dispose]();
  await welcome;
  await second.asks("Bob", "Hello, Bob!");
  await server.shutdown(); // also when it is full
  await second.hearsEnd();
});

Deno.test("serve closes connections that send nothing for idleTimeout", async () => {
  await using server = quickServer({ idleTimeout: 0.05 });
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
  await using server = quickServer({ idleTimeout: 0.02, delay: 200 });
  using caller = await Caller.call(server.port);
  await caller.asks("Ada", "Hello, Ada!");
  await caller.hearsEnd();
});

Deno.test("shutdown delivers replies in flight, ends idle connections, refuses new ones", async () => {
  await using server = quickServer({ delay: 300 });
  using idle = await Caller.call(server.port);
  await idle.asks("Ada", "Hello, Ada!");
  using busy = await Caller.call(server.port);
  await busy.says("A\nB");
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
  await using server = quickServer({ delay: 1e9, grace: 0.02 });
  using busy = await Caller.call(server.port);
  await busy.says("Ada");
  using _idle = await Caller.call(server.port);
  await server.shutdown();
  await busy.hearsEnd();
});

Deno.test("serve ends at once, with replies in flight, when its signal is aborted", async () => {
  const controller = new AbortController();
  const server = quickServer({ delay: 1e9, signal: controller.signal });
  using busy = await Caller.call(server.port);
  await busy.says("Ada");
  using _idle = await Caller.call(server.port);
  controller.abort();
  await server.finished;
  assertEquals(server.status().open, 0);
  await busy.hearsEnd();
});

Deno.test("serve ends at once when its signal was aborted before", async () => {
  await serve({ port: 0, signal: AbortSignal.abort() }).finished;
});

Deno.test("serve throws what a command can report", async () => {
  await using server = quickServer();
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
  for (const [hostname, reason] of [["a..b", "empty label found"], ["[::1", "'[::1'"]] as const) {
    const bad = assertThrows(() => serve({ hostname }), TrioError, `invalid host`);
    assertEquals(bad.code, 2);
    assert(bad.message.includes(reason), bad.message);
  }
  const away6 = { hostname: "[2001:db8::1]", port: 0 }; // RFC 3849, likewise
  assertThrows(() => serve(away6), TrioError, "cannot listen on [2001:db8::1]:0");
});
