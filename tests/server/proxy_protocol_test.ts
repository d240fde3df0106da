/**
 * `--proxy-protocol`: the client in the log is the one that the header names.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "jsr:@std/assert@^1.0.0";
import { TrioError } from "../../mod.ts";
import { serve } from "../../server.ts";
import { Caller, quickServer } from "../support/caller.ts";
import { runScript } from "../support/process.ts";
import { hurried } from "../support/replaced.ts";

const LINE = "PROXY TCP4 192.0.2.1 127.0.0.1 5000 9999\r\n";
const LOCAL = Uint8Array.of(13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10, 0x20, 0, 0, 0);

Deno.test("serve with proxyProtocol logs the client, and answers what came with the header", async () => {
  await using server = quickServer({ proxyProtocol: true });
  using caller = await Caller.dial(server.port);
  await caller.asks(`${LINE}Ada\nBob`, "Welcome!Hello, Ada!\nHello, Bob!");
  await caller.asks("exit", "");
  await caller.hearsEnd();
  caller[Symbol.dispose]();
  await server.shutdown();
  assertEquals(server.events.slice(1), [
    { event: "accept", peer: "192.0.2.1:5000" },
    { event: "close", peer: "192.0.2.1:5000" },
  ]);
});

Deno.test("serve with proxyProtocol says nothing before the header, which may come in pieces", async () => {
  await using server = quickServer({ proxyProtocol: true });
  using caller = await Caller.dial(server.port);
  for (const byte of LINE) await caller.says(byte);
  await caller.asks("Ada", "Welcome!Hello, Ada!");
});

Deno.test("serve with proxyProtocol knows a health check by its own address", async () => {
  await using server = quickServer({ proxyProtocol: true });
  using caller = await Caller.dial(server.port);
  await caller.asks(LOCAL, "Welcome!");
  assertEquals(server.events[1], { event: "accept", peer: caller.address });
});

Deno.test("shutdown welcomes no health check, so a balancer notices, but everybody else", async () => {
  const atOnce = new AbortController(), { signal } = atOnce;
  await using server = quickServer({ proxyProtocol: true, drain: 1000, signal });
  using before = await Caller.dial(server.port);
  await before.asks(LOCAL, "Welcome!");
  server.shutdown();
  for (const client of [LINE, "PROXY UNKNOWN\r\n"]) {
    using caller = await Caller.dial(server.port);
    await caller.asks(`${client}Ada`, "Welcome!Hello, Ada!");
  }
  using check = await Caller.dial(server.port);
  await check.says(LOCAL);
  await check.hearsEnd();
  await before.asks("Ada", "Hello, Ada!");
  atOnce.abort();
});

Deno.test("serve with proxyProtocol shows the client of ::ffff:192.0.2.1 as IPv4", async () => {
  await using server = quickServer({ proxyProtocol: true });
  using caller = await Caller.dial(server.port);
  await caller.asks("PROXY TCP6 ::ffff:192.0.2.1 ::1 5000 9999\r\n", "Welcome!");
  assertEquals(server.events[1], { event: "accept", peer: "192.0.2.1:5000" });
});

Deno.test("serve with proxyProtocol closes a connection without a header, and says so", async () => {
  await using server = quickServer({ proxyProtocol: true });
  const peers: string[] = [];
  for (const words of ["Ada", "PROXY TCP4 here\r\n", ""]) {
    using caller = await Caller.dial(server.port);
    if (words) await caller.says(words);
    else await caller.conn.closeWrite();
    await caller.hearsEnd();
    peers.push(caller.address);
  }
  await server.shutdown();
  const why = ["it begins with something else", "its line is wrong", "the connection ended"];
  assertEquals(
    server.events.slice(1),
    why.map((it, i) => ({
      event: "warning",
      peer: peers[i]!,
      message: `${peers[i]}: no PROXY header: ${it}`,
    })),
  );
});

Deno.test("shutdown says nothing of a connection that was never let in", async () => {
  await using server = quickServer({ proxyProtocol: true, grace: 0.1 });
  using _silent = await Caller.dial(server.port);
  await server.shutdown();
  assertEquals(server.status().total, 1);
  assertEquals(server.events.slice(1), []);
});

Deno.test("serve counts maxPerAddress by the clients, not by the balancer", async () => {
  await using server = quickServer({ proxyProtocol: true, maxPerAddress: 1 });
  const from = (client: number) => `PROXY TCP4 192.0.2.${client} 127.0.0.1 5000 9999\r\n`;
  using one = await Caller.dial(server.port), two = await Caller.dial(server.port);
  using three = await Caller.dial(server.port);
  await one.asks(from(1), "Welcome!");
  await two.asks(from(2), "Welcome!");
  await three.says(from(2));
  await three.hearsEnd();
});

Deno.test("serve refuses TLS behind a PROXY header", () => {
  const error = assertThrows(
    () => serve({ port: 0, cert: "x", key: "y", proxyProtocol: true }),
    TrioError,
    "the balancer that sends it has to end TLS",
  );
  assertEquals(error.code, 2);
});

Deno.test("serve with proxyProtocol gives a silent peer ten seconds", async () => {
  using time = hurried();
  await using server = quickServer({ proxyProtocol: true, idleTimeout: 0 });
  using silent = await Caller.dial(server.port), slow = await Caller.dial(server.port);
  await slow.says("PROXY UNK");
  using caller = await Caller.dial(server.port);
  await caller.asks(LINE, "Welcome!");
  await Promise.all([silent.hearsEnd(), slow.hearsEnd()]);
  assert(time.passed > 10_000);
  const warnings = server.events.filter(({ event }) => event === "warning");
  assertEquals(
    warnings,
    [silent, slow].map(({ address: peer }) => {
      return { event: "warning", peer, message: `${peer} sent no PROXY header in 10 s` };
    }),
  );
  await caller.asks("Ada", "Hello, Ada!"); // it has no such limit any more
});

Deno.test("server.ts --cert with --proxy-protocol is an error in one line", async () => {
  const { code, stderr } = await runScript("server.ts", [
    "--proxy-protocol",
    "--cert=deno.json",
    "--key=deno.json",
  ]);
  assertEquals([code, stderr.split("\n").length], [2, 2]);
});
