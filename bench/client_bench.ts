/**
 * client.ts beside clients of the same work.
 *
 * @module
 */
import {
  available,
  type Bench,
  compile,
  fail,
  find,
  interleave,
  measure,
  output,
  ROOT,
  Server,
} from "./programs.ts";
import type { Section, Table } from "./report.ts";
import * as show from "./report.ts";
import { ratios, type Rounds, stats, type Target, valuesOf } from "./stats.ts";

const LIBRARY = "client.ts, library", PIPED = "client.ts, names piped";
const NODE = "Node", PYTHON = "Python", CEILING = "Deno, unchecked";

/** What a client took, and the greetings a second that this makes. */
interface Greeted {
  rate: number;
  cpu: number;
  memory: number;
}

/** Measures client.ts and its peers. */
export async function benchClient(bench: Bench): Promise<Section> {
  await find(bench, ["node", "python3"]);
  const count = bench.quick ? 5_000 : 20_000;
  const greeter = [await compile(bench, "peers/greet")];
  await using server = new Server(greeter);
  const peers = await commands(bench, await server.port, count);
  if (!await printsAll(peers[PIPED]!, count)) fail(bench, `${PIPED}: wrong output`);
  const results = await interleave(
    bench,
    { title: "client", rounds: 10, seconds: 120, peers, seldom: [PIPED, CEILING] },
    async (command): Promise<Greeted> => {
      const { wall, cpu, memory } = await measure(bench, command);
      return { rate: count / wall, cpu, memory };
    },
  );
  return {
    title: "client.ts",
    notes: [
      `${show.whole(count)} greetings, one after the other on one connection, every reply ` +
      "checked, from start to end of the program, against the server in C. With names piped, " +
      "every reply is also printed. The unchecked loop of reads and writes is as fast as Deno gets.",
    ],
    tables: [{ ...tableOf(results), commands: [greeter, ...Object.values(peers)].map(show.line) }],
    charts: [{
      file: "benchmarks-client.svg",
      title: "Greetings a second of one client (more is better)",
      format: show.whole,
      groups: [{ label: "", bars: show.bars(results, (it) => it.rate) }],
    }],
    targets: [PYTHON, NODE].map((peer): Target => ({
      what: "greetings a second of one client",
      unit: `of ${peer}`,
      limit: ["at least", 1],
      values: ratios(results, LIBRARY, peer, (it) => it.rate),
    })),
  };
}

/** The clients' commands. */
async function commands(bench: Bench, port: number, count: number) {
  const names = `${bench.folder}/names`;
  await Deno.writeTextFile(
    names,
    Array.from({ length: count }, (_, i) => `Michael${i}\n`).join(""),
  );
  const deno = [bench.programs.get("deno")!, "run", "--no-prompt", "--allow-net=127.0.0.1"];
  const peers = `${ROOT}bench/peers`, args = [port, count].map(String);
  // deno-fmt-ignore
  return available(bench, {
    [LIBRARY]: [...deno, `${peers}/client.ts`, ...args],
    [PIPED]: [
      "/bin/sh", "-c", 'exec "$@" <"$0"', names,
      ...deno, `${ROOT}client.ts`, "--port", `${port}`, "-",
    ],
    [CEILING]: [...deno, `${peers}/client_bare.ts`, ...args],
    [NODE]: ["node", `${peers}/client_node.mjs`, ...args],
    [PYTHON]: ["python3", `${peers}/client.py`, ...args],
  });
}

function tableOf(results: Rounds<Greeted>): Table {
  const versus = (name: string, peer: string) => ratios(results, name, peer, (it) => it.rate);
  const compared = [PYTHON, NODE].flatMap((peer) =>
    show.comparison(LIBRARY, "greets N times as often as", peer, versus(LIBRARY, peer)) || []
  );
  return {
    title: "Greetings a second, one client",
    finding: compared.length ? `${compared.join("; ")}.` : "",
    columns: [
      ...["", "greetings/s", "quartiles", `of ${PYTHON}`, `of ${NODE}`, "CPU", "memory", "rounds"],
    ],
    rows: [...results].map(([name, list]) => [
      name,
      ...show.spread(valuesOf(results, name, (it) => it.rate), show.whole),
      show.ratio(versus(name, PYTHON)),
      show.ratio(versus(name, NODE)),
      show.seconds(stats(valuesOf(results, name, (it) => it.cpu)).median),
      show.mebibytes(Math.max(...valuesOf(results, name, (it) => it.memory))),
      String(list.size),
    ]),
  };
}

/** Whether a client prints the welcome and each greeting. */
async function printsAll([program, ...args]: string[], count: number) {
  const said = (await output(program!, args)).trimEnd().split("\n");
  return said.shift() === "Welcome!" && said.length === count &&
    said.every((line, i) => line === `Hello, Michael${i}!`);
}
