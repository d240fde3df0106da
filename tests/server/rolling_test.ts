/**
 * Restarts that nobody announces: HAProxy sees by its health checks that a server shuts down.
 *
 * `THOROUGH=1 deno task test tests/server/rolling_test.ts` restarts servers under load, behind
 * HAProxy, nginx and alone, and says how many sessions there were and how many were lost.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { EXIT } from "../../server.ts";
import { ask, bothUp, Member, startHaproxy, startNginx, STREAM } from "../support/balancers.ts";
import { Caller, ServerProcess } from "../support/caller.ts";
import { testPeer } from "../support/peers.ts";
import { denoArgs, pause, Running } from "../support/process.ts";
import { THOROUGH } from "../support/thorough.ts";

/** What HAProxy thinks of the first server, and how many sessions it has sent there. */
async function viewOfOne(socket: string): Promise<{ state: string; sessions: number }> {
  const [line] = (await ask(socket, "show stat")).match(/^greetings,one,.*/m)!;
  const fields = line.split(",");
  return { state: fields[17]!, sessions: Number(fields[7]) };
}

testPeer("HAProxy sends nobody to a server that shuts down, and leaves who is there", [
  "haproxy",
], async () => {
  const args = ["--proxy-protocol", "--drain=1000"];
  await using one = new Member(args), two = new Member(args);
  await Promise.all([one.listens(), two.listens()]);
  const { haproxy, socket } = await startHaproxy(one, two);
  await using _haproxy = haproxy;
  await bothUp(socket);
  using first = await Caller.call(haproxy.port), second = await Caller.call(haproxy.port);
  one.running.child.kill("SIGTERM");
  let view = await viewOfOne(socket);
  while (view.state.startsWith("UP")) view = await viewOfOne(socket);
  assertEquals(view.state, "NOLB");
  for (let i = 0; i < 8; i++) {
    using caller = await Caller.call(haproxy.port);
    await caller.asks("Ada", "Hello, Ada!");
  }
  assertEquals(await viewOfOne(socket), view);
  for (const caller of [first, second]) await caller.asks("Ada", "Hello, Ada!");
});

/** A busy machine needs time for what has come. */
const PATIENT = ["--grace=2", "--quiet"];

/** What became of short sessions: how many there were, and where some were lost. */
class Tally {
  sessions = 0;
  readonly lost: Record<string, number> = {};

  async #session(port: number) {
    this.sessions++;
    let at = "connect";
    try {
      using caller = await Caller.dial(port);
      at = "welcome";
      await caller.hears("Welcome!");
      at = "reply";
      await caller.asks("Ada", "Hello, Ada!");
      await caller.says("exit");
    } catch {
      this.lost[at] = (this.lost[at] ?? 0) + 1;
    }
  }

  /** Begins 1,000 sessions a second, 100 at a time at most, as long as `work` takes. */
  async during(work: Promise<void>, port: number) {
    let working = true;
    const worked = work.finally(() => working = false), open = new Set<Promise<void>>();
    worked.catch(() => {}); // it is awaited at the end
    for (let due = performance.now(); working; due = Math.max(due + 1, performance.now() - 100)) {
      const early = due - performance.now();
      if (early > 0) await pause(early);
      const session = this.#session(port).finally(() => open.delete(session));
      open.add(session);
      if (open.size === 100) await Promise.race(open);
    }
    await Promise.all([worked, ...open]);
  }
}

/** Restarts the members in turn, during 2,000 pings and short sessions; says how these went. */
async function measure(
  what: string,
  port: number,
  members: Member[],
  restart: (member: Member) => Promise<number>,
): Promise<void> {
  const args = ["--ping", "-c", "2000", "--interval=0.01", "--quiet", `--port=${port}`];
  await using client = new Running(Deno.execPath(), denoArgs("client.ts", args));
  let pinging = true, restarts = 0, cuts = 0;
  const pinged = client.child.status.then(() => pinging = false);
  const rolled = async () => {
    while (pinging || restarts < 10) {
      // a ping each 10 ms never is quiet: one may be on its way when the connection is closed
      const code = await restart(members[restarts++ % members.length]!);
      if (code === EXIT.timeout) cuts++;
    }
  };
  const tally = new Tally();
  await tally.during(rolled(), port);
  await pinged;
  const { stdout } = await client.ended();
  const [ping] = stdout.match(/^2000 sent.*%\)/m)!;
  const sum = `${restarts} restarts, ${cuts} with a reply cut, ${tally.sessions} sessions, lost:`;
  console.log(`${what}: ${sum}`, tally.lost, `ping: ${ping}`);
  assert(tally.sessions > 3000);
  if (!what.includes("not told")) assertEquals(tally.lost, {});
}

/** Two servers behind HAProxy; `tell` says its state to HAProxy before and after the restart. */
async function behindHaproxy(what: string, drain: number, tell = false) {
  const args = ["--proxy-protocol", `--drain=${drain}`, ...PATIENT];
  await using one = new Member(args), two = new Member(args);
  await Promise.all([one.listens(), two.listens()]);
  const { haproxy, socket } = await startHaproxy(one, two, "1s");
  await using _haproxy = haproxy;
  await bothUp(socket);
  await measure(what, haproxy.port, [one, two], async (member) => {
    const name = member === one ? "one" : "two";
    if (tell) await ask(socket, `set server greetings/${name} state drain`);
    const code = await member.restart();
    if (tell) await ask(socket, `set server greetings/${name} state ready`);
    await bothUp(socket);
    return code;
  });
}

/** Two servers behind nginx; `tell` has it reload its configuration before and after. */
async function behindNginx(what: string, tell: boolean) {
  const args = [`--drain=${tell ? 0.3 : 0}`, ...PATIENT];
  await using one = new Member(args), two = new Member(args);
  await Promise.all([one.listens(), two.listens()]);
  const { nginx, configure } = await startNginx(one, two);
  await using _nginx = nginx;
  await measure(what, nginx.port, [one, two], async (member) => {
    if (tell) await configure(member);
    const code = await member.restart();
    if (tell) await configure();
    return code;
  });
}

/** Two servers that share a port. */
async function onOnePort(what: string, drain: number) {
  const args = ["--reuse-port", `--drain=${drain}`, ...PATIENT];
  const flags = ["--allow-net", "--unstable-net"];
  await using one = new Member(args, undefined, flags);
  await one.listens();
  await using two = new Member(args, one.port, flags);
  await two.listens();
  await measure(what, one.port, [one, two], (member) => member.restart());
}

if (THOROUGH) {
  const cases: [string, (what: string) => Promise<void>][] = [
    ["HAProxy, by its health checks", (what) => behindHaproxy(what, 3)],
    ["HAProxy, told", (what) => behindHaproxy(what, 0, true)],
    ["HAProxy, not told", (what) => behindHaproxy(what, 0)],
    ["nginx, told", (what) => behindNginx(what, true)],
    ["nginx, not told", (what) => behindNginx(what, false)],
    ["one port, not told", (what) => onOnePort(what, 0)],
    ["one port, not told, --drain 0.05", (what) => onOnePort(what, 0.05)],
  ];
  for (const [what, fn] of cases) {
    testPeer(`restarts under load: ${what}`, ["haproxy", "nginx", STREAM], () => fn(what));
  }

  Deno.test("server.ts answers each of 300 names sent before SIGTERM, in 15 restarts", async () => {
    for (let i = 0; i < 15; i++) {
      await using server = new ServerProcess(["--delay=0", "--quiet"]);
      const port = await server.port();
      const callers = await Promise.all(Array.from({ length: 300 }, () => Caller.call(port)));
      await Promise.all(callers.map((caller, i) => caller.says(`Name ${i}`)));
      server.child.kill("SIGTERM");
      await Promise.all(callers.map(async (caller, i) => {
        await caller.hears(`Hello, Name ${i}!`);
        await caller.hearsEnd();
        caller[Symbol.dispose]();
      }));
      assertEquals((await server.ended()).code, 0);
    }
  });
}
