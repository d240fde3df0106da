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

/** A log that nobody reads until the test does: a pipe, which holds 64 KiB. */
class UnreadLog implements AsyncDisposable {
  text = "";
  readonly server: ServerProcess;
  readonly #folder: Folder;
  readonly #pipe: Deno.FsFile;
  readonly #buffer = new Uint8Array(65536);

  private constructor(folder: Folder, fifo: string, args: string[]) {
    this.#folder = folder;
    // both ends are open here, so that the server finds a reader that reads nothing
    this.#pipe = Deno.openSync(fifo, { read: true, write: true });
    this.server = new ServerProcess(args, ["bash", (deno) => {
      return ["-c", `exec "$0" "$@" > "${fifo}"`, Deno.execPath(), ...deno];
    }]);
  }

  /** Starts a server that logs into it. */
  static async start(args: string[]): Promise<UnreadLog> {
    const folder = new Folder("log"), fifo = folder.file("fifo");
    await run("mkfifo", [fifo]);
    return new UnreadLog(folder, fifo, args);
  }

  /** Reads some more. */
  async read() {
    const n = await this.#pipe.read(this.#buffer) ?? 0;
    this.text += new TextDecoder().decode(this.#buffer.subarray(0, n));
  }

  async [Symbol.asyncDispose]() {
    this.#pipe.close();
    await this.server[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

testPeer("server.ts serves on when nobody reads its log, and hands it over at its end", [
  "bash",
], async () => {
  await using log = await UnreadLog.start(["--delay=0", "--proxy-protocol"]);
  const { server } = log, port = await server.port();
  await connects(port, 640, HEADER); // 90 KB
  server.child.kill("SIGUSR2");
  await server.heard("stderr", /\nserver: 640 connections .* messages, .* bytes, up/);
  await connects(port, 32, "PROXY TCP4 192.0.2.1 192.0.2.2 5000 9999\r\n");
  const stopped = server.stop("SIGTERM");
  while (log.text.match(/from 192\.0\.2\.1:5000 closed\.\n/g)?.length !== 32) await log.read();
  assertEquals((await stopped).code, 0);
  assertMatch(log.text, /^Waiting for connection\.\.\.\n(Accept new |Connection )/);
  assertEquals(log.text.match(/\n/g)?.length, 1 + 2 * 672);
});

testPeer("server.ts keeps a mebibyte of a log that nobody reads, and counts what it drops", [
  "bash",
], async () => {
  const port = closedPort(), count = 2880;
  const args = [`--port=${port}`, "--delay=0", "--proxy-protocol", "--lines", "--max-message=1"];
  await using log = await UnreadLog.start([...args, "--json"]);
  while (!log.text) await log.read(); // it listens
  await connects(port, count, `${HEADER}too long\n`); // three lines each, 415 bytes
  while (log.text.length < 2 ** 20) await log.read();
  const stopped = log.server.stop("SIGTERM");
  while (!log.text.endsWith("}\n") || !log.text.includes('"summary"', log.text.length - 300)) {
    await log.read();
  }
  assertEquals((await stopped).code, 0);
  const events = log.text.trimEnd().split("\n").map((line) => JSON.parse(line));
  const { dropped } = events.at(-1);
  assert(dropped > 0, log.text.slice(-300));
  const missing = events.filter(({ message }) => /missing/.test(message));
  assertEquals(missing.map(({ message }) => Number(message.match(/[\d,]+/)[0].replace(",", ""))), [
    dropped,
  ]);
  // all but the first and the last, and what says that some are missing
  assertEquals(events.length - 2 + dropped, 3 * count + 1);
});

testPeer(
  "server.ts begins a new line after one that a full disk has torn, and says how many are missing",
  [
    "bash",
  ],
  async () => {
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
    const [, ...counts] = server.stderr.match(
      /: ([\d,]+) lines of .* missing:[^]* ([\d,]+) .*dropped/,
    )!;
    assertEquals(counts[0], counts[1]);
    const lines = folder.text("log").split("\n");
    assert(lines.length > 40); // 2 KiB of them
    for (const line of lines) assert(!/.(Accept|Connection from)/.test(line), line);
    assert(lines.includes(""), "a line may be torn where the disk was full");
  },
);

testPeer(
  "server.ts counts the warnings that nobody took, and tears no later one",
  ["bash"],
  async () => {
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
    assertMatch(
      folder.text("log"),
      /\nserver: ended, 64 connections .*, \d+ log lines dropped, up/,
    );
  },
);

Deno.test("server.ts --max-time ends a connection, and says so on stderr", async () => {
  await using server = new ServerProcess(["--max-time=0.1", "--delay=0"]);
  using caller = await server.call();
  await caller.hearsEnd();
  await server.heard("stderr", new RegExp(`\nserver: ${caller.address} was connected for 0.1 s\n`));
});

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
