/**
 * client.ts as a probe: `--ping` and `--wait`.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { writeAll } from "../../mod.ts";
import { serve } from "../../server.ts";
import { encode } from "../support/bytes.ts";
import { greetAda, runClient, startClient, tutorialServer } from "../support/client.ts";
import { runScript } from "../support/process.ts";
import { closedPort, FakeServer } from "../support/servers.ts";

Deno.test("client.ts --ping shows seq and time, and a summary", async () => {
  const messages: string[] = [];
  await using server = tutorialServer(messages);
  const args = ["--ping", "--count", "4", "--interval", "0.001", "Ada", "小明"];
  const { code, stdout } = await runClient(server.port, args);
  assertEquals(code, 0);
  const ms = "\\d+\\.\\d{3}";
  const lines = ["Ada", "小明", "Ada", "小明"]
    .map((name, i) => `Hello, ${name}! seq=${i + 1} time=${ms} ms\n`);
  const summary = `--- 127\\.0\\.0\\.1:${server.port} greeting statistics ---
4 sent, 4 received, 0 lost \\(0 %\\), time \\d+ ms
min/avg/max/stddev = ${ms}/${ms}/${ms}/${ms} ms
p50/p99 = ${ms}/${ms} ms\n`;
  assertMatch(stdout, new RegExp(`^Welcome!\n${lines.join("")}\n${summary}$`));
  assertEquals(messages, ["Ada", "小明", "Ada", "小明", "exit"]);
});

Deno.test("client.ts --ping --quiet --json shows the summary alone", async () => {
  await using server = serve({ port: 0, delay: 0 });
  const args = ["--ping", "--count", "3", "--interval", "0", "-q", "--json"];
  const { code, stdout } = await runClient(server.addr.port, args);
  assertEquals(code, 0);
  const { time, min, avg, max, stddev, p50, p99, ...counts } = JSON.parse(stdout);
  const where = `127.0.0.1:${server.addr.port}`;
  assertEquals(
    counts,
    { event: "summary", server: where, sent: 3, received: 3, lost: 0, lostPercent: 0 },
  );
  assert(Date.now() - Date.parse(time) < 60_000, time);
  assert(0 < min && min <= p50 && p50 <= p99 && p99 <= max && min <= avg && stddev >= 0);
});

Deno.test("client.ts --ping connects again, counts what was lost, and goes on", async () => {
  await using server = new FakeServer(async (conn, count) => {
    if (count === 2) return;
    await greetAda(conn);
    await conn.read(new Uint8Array(9)); // and then it goes away, whether that was a name or exit
  });
  const args = ["--ping", "--count", "4", "--interval", "0", "--json", "Ada"];
  const { code, stdout } = await runClient(server.port, args);
  const events = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(
    events.map(({ event, seq, code }) => [event, seq, code].filter((x) => x !== undefined)),
    [
      ["welcome"],
      ["reply", 1],
      ["lost", 2, 56],
      ["lost", 3, 52],
      ["welcome"],
      ["reply", 4],
      ["summary"],
    ],
  );
  const { sent, received, lost } = events.at(-1);
  assertEquals({ sent, received, lost }, { sent: 4, received: 2, lost: 2 });
  assertEquals(code, 52);
});

Deno.test("client.ts --ping loses nothing when the server closes after each reply", async () => {
  await using server = new FakeServer(async (conn) => {
    await writeAll(conn, encode("Welcome!"));
    await conn.read(new Uint8Array(9));
    const reply = conn.write(encode("Hello, Ada!"));
    await conn.closeWrite(); // comes with the reply
    await reply;
    await conn.read(new Uint8Array(9));
  });
  const args = ["--ping", "--count", "2", "--interval", "0.5", "Ada"];
  const { code, stdout, stderr } = await runClient(server.port, args);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^Welcome!\n.* seq=1 .*\nWelcome!\n.* seq=2 .*\n\n.*\n2 sent, 2 received, 0/);
});

Deno.test("client.ts --ping ends on Ctrl+C with its summary and 130", async () => {
  await using server = serve({ port: 0, delay: 0 });
  await using child = startClient(server.addr.port, ["--ping", "--interval", "0.01"]);
  await child.heard("stdout", /seq=3/);
  child.child.kill("SIGINT");
  const { code, stdout, stderr } = await child.ended();
  assertEquals([code, stderr], [130, ""]);
  const [, sent, received] = stdout.match(/(\d+) sent, (\d+) received, 0 lost/) ?? [];
  assert(Number(sent) >= 3 && sent === received, stdout);
});

Deno.test("client.ts --wait greets as soon as the server is up", async () => {
  const port = closedPort();
  await using waiting = startClient(port, ["--wait", "60", "-v", "Ada"]);
  await waiting.heard("stderr", /^client: cannot connect to .*refused.*\n/);
  await using _server = serve({ port, delay: 0 });
  const { code, stdout } = await waiting.ended();
  assertEquals({ code, stdout }, { code: 0, stdout: "Welcome!\nHello, Ada!\n" });
});

Deno.test("client.ts --wait without names ends when it is welcomed", async () => {
  const more = Promise.withResolvers<number | null>();
  await using server = new FakeServer(async (conn) => {
    await writeAll(conn, encode("Welcome!"));
    more.resolve(await conn.read(new Uint8Array(9)));
    await never.promise; // it does not end
  });
  const never = Promise.withResolvers<void>();
  const args = ["--wait", "60", "--timeout", "60"];
  const { code, stdout } = await runClient(server.port, args);
  never.resolve();
  assertEquals({ code, stdout }, { code: 0, stdout: "Welcome!\n" });
  assertEquals(await more.promise, null);
});

Deno.test("client.ts --wait outlasts servers that close, break or say nothing", async () => {
  await using server = new FakeServer(async (conn, count) => {
    const silence = () => conn.read(new Uint8Array(9));
    if (count === 1) return;
    if (count === 2) return await writeAll(conn, encode("Welc"));
    if (count === 3) return void await silence();
    await writeAll(conn, encode("Welcome!"));
    await silence();
  });
  const args = ["--wait", "60", "--timeout", "1", "-v"];
  const { code, stdout, stderr } = await runClient(server.port, args);
  assertEquals({ code, stdout }, { code: 0, stdout: "Welcome!\n" });
  assertMatch(stderr, /^.* without a word\n.* closed the connection\n.* did not say Welcome!.*\n$/);
});

Deno.test("client.ts --wait ends in time with the code of the last failure", async () => {
  await using silent = new FakeServer(async (conn) => void await conn.read(new Uint8Array(9)));
  const [refused, unknown, late] = await Promise.all([
    runClient(closedPort(), ["--wait", "0.5"]),
    runScript("client.ts", ["--hostname", "nobody.invalid", "--wait", "0.5"]),
    runClient(silent.port, ["--wait", "0.5", "-v"]),
  ]);
  assertEquals([refused.code, refused.stdout], [7, ""]);
  assertMatch(refused.stderr, /^client: cannot connect to .*\n$/); // one line: silent without -v
  assertEquals(unknown.code, 6);
  assertMatch(unknown.stderr, /^client: cannot resolve nobody\.invalid: .*\n$/);
  assertEquals(late.code, 28); // nor is it said twice
  assertMatch(late.stderr, /^client: .*gave up on 127\.0\.0\.1:\d+ after 0\.5 s\n$/);
});

Deno.test("client.ts --wait does not wait for what waiting does not mend", async () => {
  await using server = new FakeServer((conn) => writeAll(conn, encode("220 ESMTP")));
  const { code } = await runClient(server.port, ["--wait", "600"]);
  assertEquals(code, 1);
  const denied = await runScript("client.ts", ["--wait", "600"], { permissions: [] });
  assertEquals(denied.code, 77);
});
