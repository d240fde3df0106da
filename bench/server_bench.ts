/**
 * server.ts beside what else a greeting server can be made with.
 *
 * @module
 */
import {
  available,
  type Bench,
  compile,
  find,
  interleave,
  output,
  ROOT,
  Server,
} from "./programs.ts";
import { type Section, stats, type Table, type Target } from "./report.ts";
import * as show from "./report.ts";

/** What load.c says of a run. */
interface Load {
  /** Greetings or cycles a second. */
  rate: number;
  /** Microseconds within which half of the greetings had their reply. */
  p50: number;
  /** Microseconds within which 99 % had it. */
  p99: number;
  /** Connections that had any reply. */
  served: number;
  /** The least served connection's part of the mean. */
  least: number;
  /** How much of a core load.c used. */
  busy: number;
}

/** What `count` idle connections cost. */
interface Idle {
  /** Bytes of memory for each connection. */
  memory: number;
  /** Microseconds for a new client to be greeted, several of them. */
  greeted: number[];
}

const OURS = "server.ts",
  NODE = "Node net",
  ASYNCIO = "asyncio",
  THREADS = "tutorial's threads",
  CEILING = "C and epoll";

/** The commands that start the servers. */
function commands(bench: Bench, ceiling: string): Record<string, string[]> {
  const peers = `${ROOT}bench/peers`;
  // deno-fmt-ignore
  return available(bench, {
    [OURS]: [
      "deno", "run", "--no-prompt", "--allow-net=127.0.0.1", `${ROOT}server.ts`,
      "--port", "0", "--delay", "0", "--quiet",
    ],
    [NODE]: ["node", `${peers}/server_node.mjs`],
    [ASYNCIO]: ["python3", `${peers}/server_asyncio.py`],
    [THREADS]: ["python3", `${peers}/server_threads.py`],
    [CEILING]: [ceiling],
  });
}

/** Measures server.ts and its peers. */
export async function benchServer(bench: Bench): Promise<Section> {
  await find(bench, ["node", "python3"]);
  const { quick } = bench;
  const load = await compile(bench, "load");
  const all = commands(bench, await compile(bench, "peers/greet"));

  const measureAll = async (kind: "greet" | "cycle", connections: number, seconds = 1) => {
    if (quick) seconds = 0.4;
    const rounds = quick ? 1 : 15 / seconds;
    await using servers = new AsyncDisposableStack();
    const ports: Record<string, number> = {};
    for (const [name, command] of Object.entries(all)) {
      ports[name] = await servers.use(new Server(command)).port;
    }
    return await interleave(
      bench,
      rounds,
      ports,
      async (port): Promise<Load> => {
        const args = [kind, port, connections, seconds].map(String);
        return JSON.parse(await output(load, args));
      },
    );
  };

  const tables: Table[] = [];
  const groups: Section["chart"]["groups"] = [];
  const greetings = new Map<number, Map<string, Load[]>>();
  for (const connections of [1, 64, 1000]) {
    // Short rounds, since the speed of a shared machine changes within seconds; but a thousand need
    // some time until all had their turn.
    const results = await measureAll("greet", connections, connections < 1000 ? 0.25 : 1);
    greetings.set(connections, results);
    const title = `${show.whole(connections)} connection${connections > 1 ? "s" : ""}`;
    tables.push({
      title: `Greetings a second, ${title}`,
      ...loadTable(results, NODE, "greetings/s"),
    });
    groups.push({
      label: title,
      bars: show.bars(results, (it) => it.rate, show.whole),
    });
  }
  const cycles = await measureAll("cycle", 16);
  tables.push({
    title: "Connect, greet, exit: cycles a second, 16 at a time",
    ...loadTable(cycles, ASYNCIO, "cycles/s"),
  });

  const count = 5000;
  const idle = await interleave(
    bench,
    quick ? 1 : 3,
    all,
    (command) => measureIdle(command, load, count),
  );
  tables.push({
    title: `${show.whole(count)} idle connections`,
    columns: [
      "",
      "memory each",
      "min to max",
      "a new client greeted in",
      "at most",
    ],
    rows: [...idle].map(([name, list]) => {
      const greeted = stats(list.flatMap((it) => it.greeted));
      const kibibytes = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`;
      return [
        name,
        ...show.spread(stats(list.map((it) => it.memory)), kibibytes),
        latency(greeted.median),
        latency(greeted.max),
      ];
    }),
    commands: show.lines(all),
  });

  return {
    title: "server.ts",
    notes: [
      "Greetings of one name, no delay, logs off. bench/load.c holds the " +
      "connections, each waits for its reply before it greets again, and every " +
      "byte is checked. Server and load share the machine and are not pinned. " +
      "`load` is how much of a core load.c used: below 1 the server was the limit; " +
      "`C and epoll` is the least a server can do (bench/peers/greet.c), so it " +
      "shows what load.c can take.",
    ],
    tables,
    chart: {
      file: "benchmarks-server.svg",
      title: "Greetings a second (more is better)",
      groups,
    },
    targets: targets(greetings, cycles, idle),
  };
}

/** Microseconds as milliseconds. */
const latency = (us: number) => `${(us / 1e3).toFixed(2)} ms`;

function loadTable(results: Map<string, Load[]>, peer: string, unit: string) {
  const of = (name: string, field: keyof Load) =>
    stats((results.get(name) ?? []).map((it) => it[field]));
  return {
    columns: [
      "",
      unit,
      "min to max",
      "ratio",
      "p50",
      "p99",
      "least served",
      "load",
    ],
    rows: [...results.keys()].map((name) => [
      name,
      ...show.spread(of(name, "rate"), show.whole),
      show.ratio(of(name, "rate").median, of(peer, "rate").median),
      latency(of(name, "p50").median),
      latency(of(name, "p99").median),
      of(name, "least").min.toFixed(2),
      of(name, "busy").median.toFixed(2),
    ]),
  };
}

function targets(
  greetings: Map<number, Map<string, Load[]>>,
  cycles: Map<string, Load[]>,
  idle: Map<string, Idle[]>,
): Target[] {
  const rate = (results: Map<string, Load[]> | undefined, name: string) => {
    const list = results?.get(name);
    return list && stats(list.map((it) => it.rate)).median;
  };
  const ratio = (
    what: string,
    results: Map<string, Load[]> | undefined,
    peer: string,
    least: number,
  ): Target => {
    const [ours, theirs] = [rate(results, OURS), rate(results, peer)];
    const value = ours && theirs && ours / theirs;
    return { what, unit: `of ${peer}`, limit: ["at least", least], value };
  };
  const at64 = greetings.get(64), at1000 = greetings.get(1000);
  const ours = at1000?.get(OURS);
  const resting = idle.get(OURS);
  return [
    ratio("greetings a second, 64 connections", at64, NODE, 1.2),
    ratio(
      "greetings a second, 64 connections",
      at64,
      THREADS,
      2.5,
    ),
    ratio("greetings a second, 1,000 connections", at1000, NODE, 1),
    {
      what: "connections greeted of 1,000",
      unit: "",
      limit: ["at least", 1000],
      value: ours && Math.min(...ours.map((it) => it.served)),
    },
    {
      what: "the least served of 1,000 connections",
      unit: "of the mean",
      limit: ["at least", 0.25],
      value: ours && Math.min(...ours.map((it) => it.least)),
    },
    ratio("connect, greet, exit cycles", cycles, ASYNCIO, 1),
    {
      what: "an idle connection at 5,000",
      unit: "KiB",
      limit: ["at most", 10],
      value: resting && stats(resting.map((it) => it.memory)).median / 1024,
    },
    {
      what: "a new client greeted while 5,000 are idle",
      unit: "ms",
      limit: ["at most", 50],
      value: resting && Math.max(...resting.flatMap((it) => it.greeted)) / 1e3,
    },
  ];
}

/** Starts a server, gives it idle connections, and greets it beside them. */
async function measureIdle(
  command: string[],
  load: string,
  count: number,
): Promise<Idle> {
  await using server = new Server(command);
  const port = await server.port;
  await output(load, ["greet", String(port), "1", "0.2"]); // warms up
  const before = server.memory;
  const child = new Deno.Command(load, {
    args: ["idle", String(port), String(count)],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const said = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const line = async () => (await said.read()).value?.trim();
  if (await line() !== "ready") throw new Error("the idle connections failed");
  const memory = (server.memory - before) / count;
  const greeted: number[] = [];
  for (let i = 0; i < 20; i++) {
    await writer.write(new TextEncoder().encode("\n"));
    greeted.push(Number(await line()));
  }
  await writer.close();
  await said.cancel();
  await child.status;
  return { memory, greeted };
}
