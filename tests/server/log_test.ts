/**
 * The log of server.ts: nobody waits for who reads it, and what is missing is counted.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { Caller, ServerProcess } from "../support/caller.ts";
import { Folder } from "../support/folder.ts";
import { testPeer } from "../support/peers.ts";
import { run } from "../support/process.ts";
import { closedPort } from "../support/servers.ts";

/** So many connections, 32 at a time, each of which sends `first` and is welcomed. */
async function connects(port: number, count: number, first = "") {
  await Promise.all(Array.from({ length: 32 }, async () => {
    for (let i = 0; i < count / 32; i++) {
      using caller = await Caller.dial(port);
      if (first) await caller.says(first);
      await caller.hears("Welcome!");
    }
  }));
}

/** A long address: the log is sooner full. */
const ADDRESS = "1111:2222:3333:4444:5555:6666:7777:8888";
const HEADER = `PROXY TCP6 ${ADDRESS} ${ADDRESS} 50000 50001\r\n`;

testPeer(
  "server.ts serves on when nobody reads its log, and says what is missing when somebody does",
  ["bash"],
  async () => {
    await using folder = new Folder("log");
    const fifo = folder.file("fifo");
    await run("mkfifo", [fifo]);
    // both ends are open here, so that the server finds a reader that reads nothing
    using reader = await Deno.open(fifo, { read: true, write: true });
    await using server = new ServerProcess(["--delay=0", "--proxy-protocol"], ["bash", (deno) => {
      return ["-c", `exec "$0" "$@" > "${fifo}"`, Deno.execPath(), ...deno];
    }]);
    const port = await server.port();
    await connects(port, 8000, HEADER);
    server.child.kill("SIGUSR2");
    await server.heard("stderr", /\nserver: 8,0\d\d connections .* log lines dropped, up/);
    let log = "";
    const buffer = new Uint8Array(65536), missing = /server: ([\d,]+) lines of the log are missing/;
    while (!missing.test(server.stderr)) {
      log += new TextDecoder().decode(buffer.subarray(0, await reader.read(buffer) ?? 0));
    }
    server.child.kill("SIGUSR2");
    const both = /server: ([\d,]+) lines of the log are missing[^]* ([\d,]+) log lines dropped/;
    const [, lines, dropped] = await server.heard("stderr", both);
    assertEquals(lines, dropped);
    assertMatch(log, /^Waiting for connection\.\.\.\n(Accept new |Connection )/);
    assert(log.trimEnd().split("\n").length > 500);
    await connects(port, 1000, HEADER); // the pipe is full again
    await connects(port, 32, "PROXY TCP4 192.0.2.1 192.0.2.2 5000 9999\r\n");
    const stopped = server.stop("SIGTERM");
    while (log.match(/from 192\.0\.2\.1:5000 closed\.\n/g)?.length !== 32) {
      log += new TextDecoder().decode(buffer.subarray(0, await reader.read(buffer) ?? 0));
    }
    assertEquals((await stopped).code, 0);
    await server.heard("stderr", /\nserver: ended, .* [\d,]+ log lines dropped, up/);
    assertEquals(server.stderr.match(/lines of the log are missing/g)?.length, 1);
  },
);

testPeer("server.ts begins a new line after one that a full disk has torn", ["bash"], async () => {
  await using folder = new Folder("log");
  const file = folder.file("log");
  // the shell's limit for files is a disk of 1 KiB: a write stops there, the next one fails
  await using server = new ServerProcess(["--delay=0"], ["bash", (deno) => {
    const limited = `trap "" XFSZ; ulimit -S -f 1; exec "$0" "$@" >> "${file}"`;
    return ["-c", limited, Deno.execPath(), ...deno];
  }]);
  await connects(await server.port(), 32);
  while (!/log lines? dropped/.test(server.stderr)) { // the write that failed may be under way
    server.child.kill("SIGUSR2");
    await connects(await server.port(), 32);
  }
  assertEquals(folder.text("log").length, 1024);
  await run("prlimit", [`--pid=${server.child.pid}`, "--fsize=unlimited:unlimited"]);
  for (let n = 0; n < 20 && folder.bytes("log").length < 2048; n++) {
    await connects(await server.port(), 32);
  }
  assert(folder.bytes("log").length >= 2048, "it is written to again, not only at the end");
  await server.stop("SIGTERM");
  const lines = folder.text("log").split("\n");
  assert(lines.length > 40); // 2 KiB of them
  for (const line of lines) assert(!/.(Accept|Connection from)/.test(line), line);
  assert(lines.includes(""), "a line may be torn where the disk was full");
});

testPeer("server.ts counts the warnings that nobody took, too", ["bash"], async () => {
  await using folder = new Folder("log");
  const file = folder.file("log"), port = closedPort();
  const args = [`--port=${port}`, "--delay=0", "--lines", "--max-message=1"];
  await using server = new ServerProcess(args, ["bash", (deno) => {
    const limited = `trap "" XFSZ; ulimit -S -f 1; exec "$0" "$@" 2>> "${file}"`;
    return ["-c", limited, Deno.execPath(), ...deno];
  }]);
  await server.heard("stdout", /Waiting/);
  for (let n = 0; n < 2; n++) await connects(port, 32, "too long\n"); // the first are 2 KiB
  await server.heard("stdout", /^(.*\n){129}/); // all have come and gone
  await run("prlimit", [`--pid=${server.child.pid}`, "--fsize=unlimited:unlimited"]);
  assertEquals((await server.stop("SIGTERM")).code, 0);
  assertMatch(folder.text("log"), /ended, 64 connections .*, \d+ log lines dropped, up/);
});

for (const quiet of [true, false]) {
  Deno.test(`server.ts ${quiet ? "--quiet " : ""}warns of what concerns no single peer`, async () => {
    const args = ["--max-connections=1", "--max-time=0.1", "--delay=0", ...quiet ? ["-q"] : []];
    await using server = new ServerProcess(args);
    using caller = await server.call();
    await server.heard("stderr", /server: 1 connection is open, the most there may be/);
    await caller.hearsEnd();
    await server.stop("SIGTERM");
    assertEquals(server.stderr.includes("was connected for"), !quiet);
    assertEquals(server.stdout === "", quiet);
  });
}

Deno.test("server.ts --json says the status and the summary with the same fields", async () => {
  await using server = new ServerProcess(["--json", "--delay=0", "--port=0"]);
  const [, port] = await server.heard("stdout", /"listening","address":"127\.0\.0\.1:(\d+)"/);
  using caller = await Caller.call(Number(port));
  await caller.asks("Ada", "Hello, Ada!");
  server.child.kill("SIGUSR2");
  await server.heard("stdout", /"status"/);
  await server.stop("SIGTERM");
  const [status, summary] = server.stdout.trimEnd().split("\n").map((line) => JSON.parse(line))
    .filter(({ event }) => event === "status" || event === "summary");
  assertEquals(Object.keys(status), Object.keys(summary));
  assertEquals({ ...status, time: 0, seconds: 0 }, {
    time: 0,
    event: "status",
    open: 1,
    total: 1,
    messages: 1,
    bytes: 11,
    cut: 0,
    seconds: 0,
    dropped: 0,
  });
});
