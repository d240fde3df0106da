/**
 * How client.ts ends: signals, a process that was stopped, output that nobody takes; and what a
 * session must not leave behind.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { connect } from "../../client.ts";
import { writeAll } from "../../mod.ts";
import { serve } from "../../server.ts";
import { encode } from "../support/bytes.ts";
import { startClient, tutorialServer } from "../support/client.ts";
import { find } from "../support/peers.ts";
import { denoArgs, pause, ROOT, Running } from "../support/process.ts";
import { clientEnds, closedPort, FakeServer } from "../support/servers.ts";

const SIGNALS = { SIGINT: 130, SIGHUP: 129, SIGTERM: 143 } as const;

for (const [name, expected] of Object.entries(SIGNALS)) {
  const signal = name as keyof typeof SIGNALS;

  Deno.test(`client.ts --ping sums up on ${signal} and exits with ${expected}`, async () => {
    await using server = serve({ port: 0, delay: 0 });
    await using client = startClient(server.addr.port, ["--ping", "--interval", "600"]);
    await client.heard("stdout", /seq=1 /);
    client.child.kill(signal);
    const { code, stdout, stderr } = await client.ended();
    assertEquals([code, stderr], [expected, ""]);
    assertMatch(stdout, /\n1 sent, 1 received, 0 lost \(0 %\), time \d+ ms\n/);
  });
}

Deno.test("client.ts closes and exits with 130 on SIGINT in an awaited reply", async () => {
  const asked = Promise.withResolvers<void>(), ended = Promise.withResolvers<void>();
  await using server = new FakeServer(async (conn) => {
    await writeAll(conn, encode("Welcome!"));
    await conn.read(new Uint8Array(9));
    asked.resolve();
    await clientEnds(conn);
    ended.resolve();
  });
  await using client = startClient(server.port, ["--timeout", "600", "Ada"]);
  await asked.promise;
  client.child.kill("SIGINT");
  const { code, stderr } = await client.ended();
  assertEquals([code, stderr], [130, "client: interrupted\n"]);
  await ended.promise;
});

Deno.test("client.ts exits with 143 on SIGTERM between two tries", async () => {
  await using client = startClient(closedPort(), ["--wait", "600", "-v"]);
  await client.heard("stderr", /refused/);
  client.child.kill("SIGTERM");
  const { code, stderr } = await client.ended();
  assertEquals(code, 143);
  assertMatch(stderr, /client: interrupted\n$/);
});

/** A client that greets as a megabyte, and Ada; only the beginning of its output is read. */
async function stuck(port: number): Promise<[Deno.ChildProcess, ReadableStreamDefaultReader]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: denoArgs("client.ts", ["-p", `${port}`, "--timeout", "600", "-"]),
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(encode(`${"x".repeat(1_000_000)}\nAda`));
  await input.close();
  const reader = child.stdout.getReader();
  let shown = "";
  while (!shown.includes("Hello, x")) {
    shown += new TextDecoder().decode((await reader.read()).value);
  }
  return [child, reader];
}

for (const [signals, expected] of [[["SIGINT"], 130], [["SIGINT", "SIGTERM"], 143]] as const) {
  Deno.test(`client.ts ends on ${signals.join(" and ")} while nobody takes its output`, async () => {
    const answered = Promise.withResolvers<void>();
    await using server = new FakeServer(async (conn) => {
      await writeAll(conn, encode("Welcome!"));
      const buffer = new Uint8Array(64 * 1024);
      for (let n = 0; n < 1_000_000;) n += await conn.read(buffer) ?? 1_000_000;
      await writeAll(conn, encode(`Hello, ${"x".repeat(1_000_000)}!`));
      await conn.read(buffer);
      await writeAll(conn, encode("Hello, Ada!"));
      answered.resolve();
      await clientEnds(conn);
    });
    const [child, stdout] = await stuck(server.port);
    await answered.promise;
    await pause(50); // by now it is shown, or would be
    const stderr = child.stderr.getReader();
    const [first, second] = signals;
    child.kill(first);
    await stderr.read(); // it says that it is interrupted, and waits for the output to be taken
    if (second) child.kill(second);
    assertEquals((await child.status).code, expected);
    await Promise.all([stdout.cancel(), stderr.cancel()]);
  });
}

Deno.test("client.ts --deadline exits with 23 if nobody takes the statistics", async () => {
  await using server = serve({ port: 0, delay: 0, lines: true, maxMessage: 1_000_000 });
  const name = "x".repeat(100_000); // more than a pipe holds
  const often = ["--interval", "0", "--deadline", "0.2"];
  const args = ["-p", `${server.addr.port}`, "--ping", "--lines", ...often, name];
  const child = new Deno.Command(Deno.execPath(), {
    args: denoArgs("client.ts", args),
    cwd: ROOT,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stderr = await new Response(child.stderr).text();
  assertEquals((await child.status).code, 23);
  assertEquals(stderr, "client: cannot write the output: nobody takes it\n");
  await child.stdout.cancel();
  const { messages } = server.status(); // one line waits while the next one is waited for
  assert(messages <= 2, `${messages} replies that nobody took`);
});

Deno.test({
  name: "client.ts takes a reply that came in time while it was stopped",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using server = new FakeServer(async (conn) => {
      await writeAll(conn, encode("Welcome!"));
      await conn.read(new Uint8Array(9));
      client.child.kill("SIGSTOP");
      await writeAll(conn, encode("Hello, Ada!"));
      await pause(1500); // longer than the time limit
      client.child.kill("SIGCONT");
      await conn.read(new Uint8Array(9));
    });
    await using client = startClient(server.port, ["--timeout", "1", "--ping", "-c1", "Ada"]);
    const { code, stdout } = await client.ended();
    assertEquals(code, 0);
    assertMatch(stdout, /1 received, 0 lost/);
  },
});

/** Runs a command as process 1 of its own. */
const AS_PROCESS_1 = ["-r", "--pid", "--fork", "--mount-proc"];
const MAY_BE_1 = Deno.build.os === "linux" && find("unshare") !== undefined &&
  new Deno.Command("unshare", { args: [...AS_PROCESS_1, "true"], stderr: "null" }).outputSync()
    .success;

Deno.test({
  name: "client.ts as process 1 sums up on SIGTERM (needs Linux, and may unshare)",
  ignore: !MAY_BE_1,
  async fn() {
    await using server = serve({ port: 0, delay: 0 });
    const args = denoArgs("client.ts", ["-p", `${server.addr.port}`, "--ping"]);
    await using client = new Running("unshare", [...AS_PROCESS_1, Deno.execPath(), ...args]);
    await client.heard("stdout", /seq=1 /);
    const { pid } = client.child;
    const children = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`);
    Deno.kill(Number(children), "SIGTERM");
    const { code, stdout } = await client.ended();
    assertEquals(code, 143);
    assertMatch(stdout, /\n\d+ sent, \d+ received, 0 lost/);
  },
});

Deno.test({
  name: "client.ts exits with its code though stderr cannot be written (needs Linux)",
  ignore: Deno.build.os !== "linux", // where /dev/full is
  async fn() {
    for (
      const [words, expected] of [["-p PORT", 7], ["--nope", 2], ["-p PORT -v -w 0.2", 7]] as const
    ) {
      const args = words.replace("PORT", String(closedPort())).split(" ");
      const { code } = await new Deno.Command("sh", {
        args: ["-c", 'exec "$0" "$@" 2>/dev/full', Deno.execPath(), ...denoArgs("client.ts", args)],
        stdout: "null",
      }).output();
      assertEquals(code, expected, words);
    }
  },
});

Deno.test("greet leaves no time limit behind", async () => {
  await using server = tutorialServer([]);
  await using greeter = await connect({ port: server.port, timeout: 0.3 });
  for (let n = 0; n < 2; n++) {
    await pause(450); // longer than the time limit
    assertEquals(await greeter.greet("Ada"), "Hello, Ada!");
  }
});

Deno.test("connect leaves no listener on a signal, however the connection ends", async () => {
  const { signal } = new AbortController();
  const listeners = new Set<unknown>();
  const add = signal.addEventListener.bind(signal),
    remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (type: string, listener: EventListener) => {
    listeners.add(listener);
    add(type, listener);
  };
  signal.removeEventListener = (type: string, listener: EventListener) => {
    listeners.delete(listener);
    remove(type, listener);
  };
  await using server = tutorialServer([], 1);
  const { port } = server;
  {
    await using greeter = await connect({ port, signal });
    assert(listeners.size > 0, "it listens");
    await greeter.greet("Ada");
    await greeter.exit();
  }
  await connect({ port: closedPort(), signal }).catch(() => {});
  {
    await using greeter = await connect({ port, signal });
    await greeter.greet("Ada").catch(() => {}); // it ends
  }
  assertEquals(listeners.size, 0);
});
