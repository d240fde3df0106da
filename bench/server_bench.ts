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
  progress,
  ROOT,
  Server,
} from "./programs.ts";
import type { Section, Table } from "./report.ts";
import * as show from "./report.ts";
import { ratios, type Rounds, stats, type Target, valuesOf } from "./stats.ts";

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

/** A load for all servers. */
interface Step {
  kind: "greet" | "cycle";
  connections: number;
  /** Seconds that one round takes: short, since a shared machine's speed changes within them. */
  each: number;
  rounds: number;
  /** Whether it has a table of its own, and so all peers. */
  table?: true;
}

/** What a load came to. */
interface Loaded {
  results: Rounds<Load>;
  /** The most bytes of memory that each server had. */
  memory: Map<string, number>;
  /** How the servers and the load were started. */
  commands: string[];
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

/** The steps of the chart and, with a table, of the targets; thousands need time for their turns. */
const GREETINGS: Step[] = [
  { kind: "greet", connections: 1, each: 0.25, rounds: 16, table: true },
  { kind: "greet", connections: 10, each: 0.25, rounds: 8 },
  { kind: "greet", connections: 64, each: 0.25, rounds: 30, table: true },
  { kind: "greet", connections: 100, each: 0.25, rounds: 8 },
  { kind: "greet", connections: 1000, each: 1, rounds: 16, table: true },
  { kind: "greet", connections: 10_000, each: 2, rounds: 5 },
];
const CYCLES: Step = { kind: "cycle", connections: 16, each: 0.5, rounds: 15, table: true };

/** Idle connections. */
const IDLE = 5000;

/** The commands that start the servers. */
function commands(bench: Bench, ceiling: string): Record<string, string[]> {
  const peers = `${ROOT}bench/peers`;
  // deno-fmt-ignore
  return available(bench, {
    [OURS]: [ // as the task starts it
      "/usr/bin/env", "DENO_TOKIO_MAX_IO_EVENTS_PER_TICK=64", "deno", "run", "--no-prompt", "--allow-net=127.0.0.1", `${ROOT}server.ts`,
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
  const load = await compile(bench, "load");
  const servers = commands(bench, await compile(bench, "peers/greet"));
  const greetings = new Map<number, Loaded>();
  for (const step of GREETINGS.slice(0, bench.quick ? -1 : undefined)) {
    greetings.set(step.connections, await run(bench, step, servers, load));
  }
  const cycles = await run(bench, CYCLES, servers, load);
  const idle = await interleave(
    bench,
    {
      title: `${show.whole(IDLE)} idle connections`,
      rounds: 4,
      quick: 1,
      seconds: 45,
      peers: servers,
      seldom: [ASYNCIO, THREADS, CEILING],
    },
    (command) => measureIdle(command, load),
  );
  const tabled = GREETINGS.filter(({ table }) => table)
    .map(({ connections }) => [title(connections), greetings.get(connections)!] as const);
  return {
    title: "server.ts",
    notes: [
      "Greetings of one name, no delay, logs off. bench/load.c holds the connections, each waits " +
      "for its reply before it greets again, and every byte is checked. Server and load share " +
      "the machine and are not pinned. `load` is how much of a core load.c used: below 1 the " +
      "server was the limit; `C and epoll` is the least a server can do (bench/peers/greet.c), " +
      "so it shows what load.c can take.",
    ],
    tables: [
      ...tabled.map(([title, loaded]) =>
        loadTable(`Greetings a second, ${title}`, "greetings/s", NODE, loaded)
      ),
      loadTable("Connect, greet, exit: cycles a second, 16 at a time", "cycles/s", ASYNCIO, cycles),
      idleTable(idle, [...Object.values(servers), [load, "idle", "PORT", `${IDLE}`]]),
      growthTable(greetings),
    ],
    charts: [{
      file: "benchmarks-server.svg",
      title: "Greetings a second (more is better)",
      format: show.whole,
      groups: tabled.map(([label, { results }]) => ({
        label,
        bars: show.bars(results, (it) => it.rate),
      })),
    }, growthChart(greetings)],
    targets: targets(greetings, cycles.results, idle),
  };
}

const title = (connections: number) =>
  `${show.whole(connections)} connection${connections > 1 ? "s" : ""}`;

/** Loads all servers in turn; only those of the chart where the step has no table. */
async function run(
  bench: Bench,
  { kind, connections, each, rounds, table }: Step,
  all: Record<string, string[]>,
  load: string,
): Promise<Loaded> {
  const names = Object.keys(all)
    .filter((name) => table || [OURS, NODE, CEILING].includes(name));
  const running: Record<string, Server> = {}, peers: Record<string, string[]> = {};
  await using stack = new AsyncDisposableStack();
  progress(bench, `starting servers for ${title(connections)}`);
  for (const name of names) {
    const server = stack.use(new Server(all[name]!));
    running[name] = server;
    peers[name] = [load, kind, await server.port, connections, each].map(String);
  }
  const results = await interleave(
    bench,
    {
      title: `${kind}, ${title(connections)}`,
      rounds,
      quick: 1,
      seconds: 80,
      peers,
      seldom: [ASYNCIO, THREADS, CEILING],
    },
    async ([program, ...args]): Promise<Load> => JSON.parse(await output(program!, args)),
  );
  return {
    results,
    memory: new Map([...results.keys()].map((name) => [name, running[name]!.peak])),
    commands: names.flatMap((name) => [show.line(all[name]!), show.line(peers[name]!)]),
  };
}

function loadTable(title: string, unit: string, peer: string, loaded: Loaded): Table {
  const { results, memory, commands } = loaded;
  const of = (name: string, field: keyof Load) => valuesOf(results, name, (it) => it[field]);
  const versus = (name: string) => ratios(results, name, peer, (it) => it.rate);
  const compared = show.comparison(OURS, "does N times as many as", peer, versus(OURS));
  return {
    title,
    finding: compared && `${compared}.`,
    columns: [
      ...["", unit, "quartiles", `of ${peer}`, "p50", "p99", "least served"],
      ...["load", "memory", "rounds"],
    ],
    rows: [...results.keys()].map((name) => [
      name,
      ...show.spread(of(name, "rate"), show.whole),
      show.ratio(versus(name)),
      show.latency(stats(of(name, "p50")).median),
      show.latency(stats(of(name, "p99")).median),
      show.part(Math.min(...of(name, "least"))),
      show.part(stats(of(name, "busy")).median),
      show.mebibytes(memory.get(name)!),
      String(of(name, "rate").length),
    ]),
    commands,
  };
}

function idleTable(idle: Rounds<Idle>, commands: string[][]): Table {
  const memory = (name: string) => valuesOf(idle, name, (it) => it.memory);
  const greeted = (name: string) => [...idle.get(name)!.values()].flatMap((it) => it.greeted);
  return {
    title: `${show.whole(IDLE)} idle connections`,
    finding: idle.has(OURS)
      ? `An idle connection costs ${OURS} ${show.kibibytes(stats(memory(OURS)).median)}, and a ` +
        `new client is greeted within ${show.latency(Math.max(...greeted(OURS)))} beside them.`
      : "",
    columns: ["", "memory each", "quartiles", "a new client greeted in", "at most", "rounds"],
    rows: [...idle.keys()].map((name) => [
      name,
      ...show.spread(memory(name), show.kibibytes),
      show.latency(stats(greeted(name)).median),
      show.latency(Math.max(...greeted(name))),
      String(memory(name).length),
    ]),
    commands: commands.map(show.line),
  };
}

/** Lines of what grows with the connections, for the steps of the chart: ten times each. */
function growthOf(greetings: Map<number, Loaded>) {
  const steps = [...greetings].filter(([connections]) => Number.isInteger(Math.log10(connections)));
  const lines = (value: (loaded: Loaded, name: string) => number[]) =>
    [OURS, NODE, CEILING].map((label) => ({
      label,
      points: steps.map(([, loaded]) => show.point(value(loaded, label))),
    }));
  return {
    ticks: steps.map(([connections]) => show.whole(connections)),
    rates: lines(({ results }, name) => valuesOf(results, name, (it) => it.rate)),
    memory: lines(({ memory }, name) => [memory.get(name) ?? []].flat()),
    served: lines(({ results }, name) => valuesOf(results, name, (it) => it.served)),
  };
}

function growthTable(greetings: Map<number, Loaded>): Table {
  const { ticks, rates, memory, served } = growthOf(greetings);
  const last = ticks.length - 1, most = memory[0]!.points[last];
  const names = [OURS, NODE, CEILING];
  return {
    title: `From 1 to ${ticks[last]} connections`,
    finding: most
      ? `With ${ticks[last]} connections that greet all the time ${OURS} takes ` +
        `${show.mebibytes(most.median)} of memory, answers ` +
        `${show.whole(rates[0]!.points[last]!.median)} greetings a second, and serves ` +
        `${show.whole(served[0]!.points[last]!.median)} of the connections within a round.`
      : "",
    ...show.stepsTable(
      [
        "",
        ...names,
        ...["memory", "served"].flatMap((it) => names.map((name) => `${it}, ${name}`)),
      ],
      ticks,
      [
        ...rates.map((line) => ({ ...line, format: show.whole })),
        ...memory.map((line) => ({ ...line, format: show.mebibytes })),
        ...served.map((line) => ({ ...line, format: show.whole })),
      ],
    ),
    commands: [...greetings.values()].flatMap(({ commands }) => commands),
  };
}

function growthChart(greetings: Map<number, Loaded>): Section["charts"][number] {
  const { ticks, rates, memory } = growthOf(greetings);
  return {
    file: "benchmarks-connected.svg",
    title: `From 1 to ${ticks.at(-1)} connections`,
    steps: "connections",
    ticks,
    panels: [
      { title: "Greetings a second (more is better)", format: show.whole, lines: rates },
      { title: "Memory (less is better)", ...show.inMebibytes, lines: memory },
    ],
  };
}

function targets(
  greetings: Map<number, Loaded>,
  cycles: Rounds<Load>,
  idle: Rounds<Idle>,
): Target[] {
  const [at64, at1000] = [64, 1000].map((count) => greetings.get(count)!.results);
  const ratio = (what: string, results: Rounds<Load>, peer: string, least: number): Target => ({
    what,
    unit: `of ${peer}`,
    limit: ["at least", least],
    values: ratios(results, OURS, peer, (it) => it.rate),
  });
  // What holds for every connection holds in each round: only the worst round counts.
  const worst = (field: keyof Load) => {
    const values = valuesOf(at1000!, OURS, (it) => it[field]);
    return values.length ? [Math.min(...values)] : [];
  };
  return [
    ratio("greetings a second, 64 connections", at64!, NODE, 1.2),
    ratio("greetings a second, 64 connections", at64!, THREADS, 2.5),
    ratio("greetings a second, 1,000 connections", at1000!, NODE, 1.1),
    {
      what: "connections greeted of 1,000, worst round",
      unit: "",
      limit: ["at least", 1000],
      values: worst("served"),
    },
    {
      what: "the least served of 1,000 connections, worst round",
      unit: "of the mean",
      limit: ["at least", 0.25],
      values: worst("least"),
    },
    ratio("connect, greet, exit cycles", cycles, ASYNCIO, 1),
    {
      what: `an idle connection at ${show.whole(IDLE)}`,
      unit: "KiB",
      limit: ["at most", 9],
      values: valuesOf(idle, OURS, (it) => it.memory / 1024),
    },
    {
      what: `a new client greeted while ${show.whole(IDLE)} are idle`,
      unit: "ms",
      limit: ["at most", 50],
      values: valuesOf(idle, OURS, (it) => Math.max(...it.greeted) / 1e3),
    },
  ];
}

/** Starts a server, gives it idle connections, and greets it beside them. */
async function measureIdle(command: string[], load: string): Promise<Idle> {
  await using server = new Server(command);
  const port = await server.port;
  await output(load, ["greet", String(port), "1", "0.2"]); // warms up
  const before = server.memory;
  const child = new Deno.Command(load, {
    args: ["idle", String(port), String(IDLE)],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const said = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const line = async () => (await said.read()).value?.trim();
  if (await line() !== "ready") throw new Error("the idle connections failed");
  const memory = (server.memory - before) / IDLE;
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
