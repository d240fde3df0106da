/**
 * client.ts `--ping`: what is counted, when, and what the exit code says.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@^1.0.0";
import { writeAll } from "../../mod.ts";
import { serve } from "../../server.ts";
import { encode } from "../support/bytes.ts";
import { greetAda, runClient, startClient } from "../support/client.ts";
import { testPeer } from "../support/peers.ts";
import { denoArgs, pause, runScript } from "../support/process.ts";
import { clientEnds, closedPort, FakeServer } from "../support/servers.ts";
import { inTerminal } from "../support/terminal.ts";

/** Answers to Ada; `answer` may lose, delay or change that. */
function greeting(
  answer: (conn: Deno.TcpConn, count: number) => Promise<unknown> | void = () => {},
): FakeServer {
  let count = 0;
  return new FakeServer(async (conn) => {
    const buffer = new Uint8Array(99);
    await writeAll(conn, encode("Welcome!"));
    while (await conn.read(buffer) === 3) {
      if (await answer(conn, ++count) === "close") return;
      await writeAll(conn, encode("Hello, Ada!"));
    }
  });
}

const ping = (port: number, ...args: string[]) =>
  runClient(port, [
    "--ping",
    "--interval",
    "0",
    ...args,
    ...args.includes("--connect") ? [] : ["Ada"],
  ]);

const events = (stdout: string) => stdout.trim().split("\n").map((line) => JSON.parse(line));

Deno.test("client.ts --ping counts what is lost at first, too, and sums up", async () => {
  const port = closedPort();
  const { code, stdout, stderr } = await ping(port, "-c2");
  assertEquals([code, stderr], [7, ""]);
  assertMatch(stdout, /^(lost seq=\d: cannot connect to .*: Connection refused\n){2}\n--- /);
  assertMatch(stdout, /\n2 sent, 0 received, 2 lost \(100 %\), time \d+ ms\n$/);
  const json = events((await ping(port, "-c2", "--json")).stdout);
  assertEquals(json.map(({ event, seq, code }) => [event, seq, code]), [
    ["lost", 1, 7],
    ["lost", 2, 7],
    ["summary", undefined, undefined],
  ]);
  assertEquals([json[2].lost, json[2].lostPercent, json[2].p99], [2, 100, null]);
});

Deno.test("client.ts --ping sums up whatever ends it", async () => {
  const refused = await ping(closedPort(), "--wait", "0.3", "--json");
  assertEquals([refused.code, events(refused.stdout)[0].sent], [7, 0]);
  const bad = await runScript("client.ts", ["--ping", "--hostname", "a b"]);
  assertEquals(bad.code, 2);
  assertMatch(bad.stdout, /\n0 sent, 0 received, 0 lost \(0 %\), time \d+ ms\n$/);
});

Deno.test("client.ts --max-loss compares what was lost with what may be, not its first digits", async () => {
  const cases: [count: string, percent: string | undefined, lost: string, code: number][] = [
    ["4", undefined, "25", 56], // any loss, if it is not said
    ["4", "25", "25", 0],
    ["3", "33.34", "33.3333", 0],
    ["3", "33.33", "33.3333", 56],
  ];
  for (const [count, percent, lost, expected] of cases) {
    await using server = greeting((_, count) => Promise.resolve(count === 2 ? "close" : "answer"));
    const option = percent === undefined ? [] : ["--max-loss", percent];
    const { code, stdout, stderr } = await ping(server.port, "-c", count, ...option);
    assertStringIncludes(stdout, `\n${count} sent, ${+count - 1} received, 1 lost (${lost} %), `);
    assertEquals(code, expected, percent);
    const judged = expected && percent !== undefined;
    const message = `client: 1 of ${count} were lost: ${lost} %, not at most ${percent} %\n`;
    assertEquals(stderr, judged ? message : "");
  }
});

Deno.test("client.ts --max-loss 100 is not content without any reply", async () => {
  assertEquals((await ping(closedPort(), "-c2", "--max-loss", "100")).code, 7);
});

Deno.test("client.ts --max-p99 says how long a reply may take", async () => {
  await using server = greeting();
  assertEquals((await ping(server.port, "-c3", "--max-p99", "60000")).code, 0);
  const slow = await ping(server.port, "-c3", "--max-p99", "0.001");
  assertEquals(slow.code, 28);
  assertMatch(slow.stderr, /^client: p99 is [\d.]+ ms, not at most 0\.001 ms\n$/);
  const none = await ping(closedPort(), "-c1", "--max-p99", "60000", "--max-loss", "100");
  assertEquals([none.code, none.stderr], [28, "client: p99 is unknown\n"]);
});

Deno.test("client.ts --deadline ends a ping, which is well if anything was asked", async () => {
  await using server = greeting();
  const args = ["--ping", "--interval", "0.1", "--deadline", "0.5", "Ada"];
  const { code, stdout, stderr } = await runClient(server.port, args);
  assertEquals([code, stderr], [0, ""]);
  const [, sent, received, ms] = stdout.match(
    /(\d+) sent, (\d+) received, 0 lost .*time (\d+) ms/,
  )!;
  assertEquals(sent, received);
  assert(Number(sent) >= 1 && Number(sent) <= 6 && Number(ms) >= 500, stdout);
});

Deno.test("client.ts --deadline exits with 28 if less was done than was asked for", async () => {
  await using silent = new FakeServer(clientEnds), server = greeting();
  const args = ["--ping", "--interval", "0.2", "--deadline", "0.5", "-c100", "Ada"];
  const [none, few] = await Promise.all([
    ping(silent.port, "--deadline", "0.4"),
    runClient(server.port, args),
  ]);
  assertEquals([none.code, none.stderr], [28, "client: only 0 were done within 0.4 s\n"]);
  assertMatch(none.stdout, /\n0 sent, 0 received, 0 lost/);
  assertEquals(few.code, 28);
  assertMatch(few.stderr, /^client: only \d were done within 0\.5 s\n$/);
});

Deno.test("client.ts --deadline does not hide that a server answers no more", async () => {
  await using server = greeting((conn, count) => count > 1 ? clientEnds(conn) : undefined);
  const { code, stdout, stderr } = await ping(server.port, "--deadline", "0.5");
  assertEquals([code, stderr], [28, ""]);
  assertMatch(stdout, /\nlost seq=2: 127\.0\.0\.1:\d+ did not answer in the last 0\.\d s\n/);
  assertMatch(stdout, /\n2 sent, 1 received, 1 lost \(50 %\), /);
});

Deno.test("client.ts --deadline takes a question that it cuts in its interval for none", async () => {
  await using server = greeting((conn, count) => count > 1 ? clientEnds(conn) : undefined);
  const args = ["--ping", "--interval", "0.8", "--deadline", "1", "Ada"];
  const { code, stdout } = await runClient(server.port, args); // it is not late yet
  assertEquals(code, 0);
  assertMatch(stdout, /\n1 sent, 1 received, 0 lost/);
});

Deno.test("client.ts --ping --wait counts from when the server accepts", async () => {
  const port = closedPort();
  const args = ["--ping", "--connect", "-c1", "--wait", "600", "-v"];
  await using waiting = startClient(port, args);
  await waiting.heard("stderr", /refused/);
  await using _server = serve({ port, delay: 0 });
  const { code, stdout } = await waiting.ended();
  assertEquals(code, 0);
  assertMatch(stdout, /\n1 sent, 1 received, 0 lost/);
});

Deno.test("client.ts --ping ends with the last reply, whatever time is left", async () => {
  await using server = greeting();
  const start = performance.now();
  const args = ["--ping", "-c1", "--interval", "600", "--deadline", "600", "Ada"];
  assertEquals((await runClient(server.port, args)).code, 0);
  assert(performance.now() - start < 60_000);
});

Deno.test("client.ts --interval counts from when a greeting was due, not from its reply", async () => {
  const came: number[] = [];
  await using server = greeting(async () => {
    came.push(performance.now());
    await pause(150); // a slow server
  });
  const args = ["--ping", "-c4", "--interval", "0.3", "Ada"];
  const start = performance.now();
  assertEquals((await runClient(server.port, args)).code, 0);
  assert(came.at(-1)! - start > 800, "the last was due after 0.9 s");
  // each would be 450 ms at least if it counted from the replies
  const gaps = came.slice(1).map((time, at) => time - came[at]!);
  assert(gaps.some((gap) => gap < 420), `${gaps}`);
});

Deno.test("client.ts --interval is kept after a late reply, which is not made up for", async () => {
  const came: number[] = [];
  await using server = greeting(async () => {
    came.push(performance.now());
    if (came.length === 1) await pause(400);
  });
  const args = ["--ping", "-c6", "--interval", "0.1", "Ada"];
  assertEquals((await runClient(server.port, args)).code, 0);
  assert(came[5]! - came[1]! > 200, "the sixth was due 400 ms after the second");
});

Deno.test("client.ts --ping gives exit its own time, whatever of --deadline is left", async () => {
  await using server = new FakeServer(async (conn) => {
    await greetAda(conn);
    await conn.read(new Uint8Array(9));
    await pause(1500); // it is slow to close
  });
  const { code, stderr } = await ping(server.port, "-c1", "--deadline", "1.2");
  assertEquals([code, stderr], [0, ""]);
});

Deno.test("client.ts --ping forgives a server that does not close after exit, and no wrong word", async () => {
  for (const [farewell, expected] of [["", 0], ["Bye!", 1]] as const) {
    await using server = new FakeServer(async (conn) => {
      await greetAda(conn);
      await conn.read(new Uint8Array(9));
      await writeAll(conn, encode(farewell));
      await clientEnds(conn);
    });
    const { code, stdout } = await ping(server.port, "-c1", "--timeout", "0.4");
    assertMatch(stdout, /\n1 sent, 1 received, 0 lost/);
    assertEquals(code, expected);
  }
});

Deno.test("client.ts --ping counts a wrong word between two questions", async () => {
  await using server = new FakeServer(async (conn) => {
    await greetAda(conn);
    await pause(50); // the reply has been read
    await writeAll(conn, encode("Bye!"));
    await clientEnds(conn);
  });
  const args = ["--ping", "-c3", "--interval", "0.4", "Ada"];
  const [{ code, stdout }, last] = await Promise.all([
    runClient(server.port, args),
    runClient(server.port, ["--ping", "--deadline", "0.4", "Ada"]),
  ]);
  assertMatch(stdout, /\nlost seq=2: unexpected reply from .*: "Bye!" instead of "Hello, "\n/);
  assertMatch(stdout, /\n3 sent, 2 received, 1 lost/);
  assertEquals(code, 1);
  assertMatch(last.stdout, /\n1 sent, 1 received, 0 lost/);
  assertEquals(last.code, 1);
});

Deno.test("client.ts --ping times connections, and answers of another protocol", async () => {
  await using server = greeting();
  const connections = await ping(server.port, "-c3", "--connect");
  assertEquals(connections.code, 0);
  const where = `127\\.0\\.0\\.1:${server.port}`;
  const line = (words: string) => `(${where} ${words} seq=\\d time=\\d+\\.\\d{3} ms\n){3}\n`;
  const title = (what: string) => `--- ${where} ${what} statistics ---\n3 sent, 3 received, 0 lost`;
  assertMatch(connections.stdout, new RegExp(`^${line("accepted")}${title("connection")}`));
  const args = ["--ping", "-c3", "--interval", "0", "--expect", "Wel"];
  const answers = await runClient(server.port, args);
  assertEquals(answers.code, 0);
  assertMatch(answers.stdout, new RegExp(`^${line('answered "Wel"')}${title("answer")}`));
  const wrong = await runClient(server.port, [
    "--ping",
    "-c2",
    "--interval",
    "0",
    "--expect",
    "no",
  ]);
  assertEquals(wrong.code, 1);
  assertMatch(wrong.stdout, /^(lost seq=\d: unexpected reply from .*\n){2}\n/);
});

testPeer(
  "client.ts --ping draws the times on a terminal, and not with --json",
  ["python3"],
  async () => {
    await using server = serve({ port: 0, delay: 0 });
    const args = ["-p", `${server.addr.port}`, "--ping", "-c5", "--interval", "0"];
    const bar = / +[\d.]+ to [\d.]+ ms +\d #{40}\r?\n/;
    await using terminal = inTerminal([Deno.execPath(), ...denoArgs("client.ts", args)]);
    assertMatch((await terminal.ended()).stdout, bar);
    await using json = inTerminal([Deno.execPath(), ...denoArgs("client.ts", [...args, "--json"])]);
    assert(!(await json.ended()).stdout.includes("#"));
  },
);
