/**
 * What the tutorial says that ss, strace and tcpdump showed, they show.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { Folder } from "../support/folder.ts";
import { testPeer } from "../support/peers.ts";
import { run, Running } from "../support/process.ts";
import { PAGES, readPage, STEPS } from "./pages.ts";

const DENO = [Deno.execPath(), "run", "--no-prompt", "--allow-net=127.0.0.1"];
const ENV = { PYTHONUNBUFFERED: "1", DENO_NO_UPDATE_CHECK: "1" };

/** The command that runs a step. */
function command(step: string): string[] {
  return [...(step.endsWith(".py") ? ["python3"] : DENO), STEPS + step];
}

/** Starts a step that listens, behind the words of another command, and gives its port. */
async function listen(step: string, before: string[] = []) {
  const [program = "", ...args] = [...before, ...command(step), "0"];
  const running = new Running(program, args, { env: ENV });
  const [, port = ""] = await running.heard("stdout", /127\.0\.0\.1:(\d+)/);
  return { running, port };
}

/** Runs a step that connects, behind the words of another command. */
async function call(step: string, port: string, before: string[] = []) {
  const [program = "", ...args] = [...before, ...command(step), port];
  const { code } = await run(program, args, { env: ENV });
  assertEquals(code, 0, step);
}

/** The blocks of the tutorial's section that say what tools showed. */
const shown = (await readPage(PAGES[0])).flatMap((part) =>
  part.kind === "code" && part.info === "text" ? [part.text] : []
);

/** A line of strace with any descriptor and port; `...` stands for what is left out. */
function callPattern(line: string): RegExp {
  const parts = line.replace(/ +/g, " ").split(/(\.\.\.|\((?=\d)\d+|htons\(\d+\)|= \d+$)/);
  const source = parts.map((part) =>
    part === "..."
      ? ".*"
      : /^\(\d/.test(part)
      ? "\\(\\d+"
      : part.startsWith("htons")
      ? "htons\\(\\d+\\)"
      : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
  );
  // a descriptor that a call gives may be any; what it says of bytes may not
  const made = /^(socket|accept4)\(/.test(line);
  return new RegExp(made ? source.join("").replace(/= \d+$/, "= \\d+") : source.join(""));
}

for (const [language, ending] of [["Python", "py"], ["Deno", "ts"]] as const) {
  testPeer(`the tutorial's system calls of ${language} are those of strace`, [
    "strace",
    "python3",
  ], async () => {
    await using folder = new Folder("strace");
    const trace = (name: string) =>
      ["strace", "-f", "-e", "trace=network", "-e", "signal=none", "-o"].concat(folder.file(name));
    const { running, port } = await listen(`01_server.${ending}`, trace("server"));
    await using server = running;
    await call(`01_client.${ending}`, port, trace("client"));
    await server.ended();
    const calls = `${folder.text("server")}${folder.text("client")}`.replace(/ +/g, " ");
    const block = shown.find((text) => text.includes(ending === "py" ? "recvfrom" : "EINPROGRESS"));
    for (const line of block!.split("\n").filter(Boolean)) assertMatch(calls, callPattern(line));
  });
}

testPeer("ss lists a listener and both ends of a connection on loopback", ["ss"], async () => {
  const { running, port } = await listen("04_server.ts");
  await using _server = running;
  using _conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
  await running.heard("stdout", /Accept/);
  const states = await statesOf(port);
  // the port may have been another test's a moment ago
  const now = states.filter((state) => state !== "TIME-WAIT");
  assertEquals(now, ["ESTAB", "ESTAB", "LISTEN"]);
});

testPeer("ss lists in TIME-WAIT the end that closed first", ["ss"], async () => {
  const { running, port } = await listen("04_server.ts");
  await using _server = running;
  await call("04_client.ts", port);
  const states = new Set(await statesOf(port, "sport")); // others may have left one, too
  assertEquals([...states], ["LISTEN", "TIME-WAIT"]);
});

async function statesOf(port: string, end = "sport or dport") {
  const filter = end.replace(/\w+port/g, (end) => `${end} = :${port}`);
  const { stdout } = await run("ss", ["-tanH", filter]);
  return stdout.trim().split("\n").map((line) => line.split(" ")[0]!).sort();
}

/** Root alone may look at a link. */
const testRoot: typeof testPeer = Deno.uid() === 0
  ? testPeer
  : (name, _needs, fn) => Deno.test.ignore(`${name} (needs root)`, fn);

testRoot(
  "tcpdump shows handshake, bytes and FIN of the first connection",
  ["tcpdump"],
  async () => {
    const seen = await dump("01_server.ts");
    for (const flags of ["[S], seq", "[S.], seq", "[.], ack 1,", "[P.], seq 1:14", "[F.]"]) {
      assert(seen.some((line) => line.includes(`Flags ${flags}`)), flags);
    }
  },
);

testRoot("tcpdump shows bytes that are lost and sent again", ["tcpdump", "python3"], async () => {
  const seen = await dump("01_lost.py");
  const sent = seen.filter((line) => line.includes("seq 1:14"));
  assert(sent.length > 2, "sent again and again");
  assert(seen.at(-1)!.includes("ack 2,"), "and all is well at the end");
});

/** What passes while 01_client.ts is served by `step`, until both ends have closed. */
async function dump(step: string): Promise<string[]> {
  const { running, port } = await listen(step);
  await using server = running;
  await using tcpdump = new Running("tcpdump", ["-i", "lo", "-n", "-l", `tcp port ${port}`]);
  await tcpdump.heard("stderr", /listening on lo/);
  await call("01_client.ts", port);
  await server.ended();
  await tcpdump.heard("stdout", new RegExp(`> 127.0.0.1.${port}: .*ack 2,.*\n`));
  return tcpdump.stdout.trim().split("\n");
}
