/**
 * client.ts beside clients of the same work.
 *
 * @module
 */
import {
  available,
  type Bench,
  compile,
  find,
  interleave,
  measure,
  output,
  ROOT,
  Server,
} from "./programs.ts";
import { type Section, stats } from "./report.ts";
import * as show from "./report.ts";

const PIPED = "client.ts, names piped";

/** Measures client.ts and its peers. */
export async function benchClient(bench: Bench): Promise<Section> {
  await find(bench, ["node", "python3"]);
  const { folder, programs, quick } = bench;
  const count = quick ? 5_000 : 50_000;
  await using server = new Server([await compile(bench, "peers/greet")]);
  const port = String(await server.port);
  const names = `${folder}/names`;
  await Deno.writeTextFile(
    names,
    Array.from({ length: count }, (_, i) => `Michael${i}\n`).join(""),
  );
  const deno = [
    programs.get("deno")!,
    "run",
    "--no-prompt",
    "--allow-net=127.0.0.1",
  ];
  const peers = `${ROOT}bench/peers`;
  // deno-fmt-ignore
  const all = available(bench, {
    "client.ts, library": [...deno, `${peers}/client.ts`, port, String(count)],
    [PIPED]: [
      "/bin/sh", "-c", 'exec "$@" <"$0"', names,
      ...deno, `${ROOT}client.ts`, "--port", port, "-",
    ],
    Node: ["node", `${peers}/client_node.mjs`, port, String(count)],
    Python: ["python3", `${peers}/client.py`, port, String(count)],
  });
  if (!await printsAll(all[PIPED]!, count)) {
    bench.failures.push(`${PIPED}: wrong output`);
  }
  const results = await interleave(
    bench,
    quick ? 2 : 5,
    all,
    (command) => measure(bench, command),
  );
  const rates = new Map(
    [...results].map(([name, list]) => [
      name,
      list.map((used) => count / used.wall),
    ]),
  );
  const python = rates.get("Python");
  return {
    title: "client.ts",
    notes: [
      `${show.whole(count)} greetings, one after the other on one connection, ` +
      "every reply checked, from start to end of the program, against the " +
      "server in C. With names piped, every reply is also printed.",
    ],
    tables: [{
      title: "Greetings a second, one client",
      columns: ["", "greetings/s", "min to max", "ratio", "CPU", "memory"],
      rows: [...rates].map(([name, list]) => {
        const used = results.get(name)!;
        const rate = stats(list);
        return [
          name,
          ...show.spread(rate, show.whole),
          show.ratio(rate.median, python && stats(python).median),
          show.seconds(stats(used.map((it) => it.cpu)).median),
          show.mebibytes(stats(used.map((it) => it.memory)).max),
        ];
      }),
      commands: show.lines(all),
    }],
    chart: {
      file: "benchmarks-client.svg",
      title: "Greetings a second of one client (more is better)",
      groups: [{
        label: "",
        bars: show.bars(rates, (rate) => rate, show.whole),
      }],
    },
    targets: [],
  };
}

/** Whether a client prints the welcome and each greeting. */
async function printsAll([program, ...args]: string[], count: number) {
  const said = (await output(program!, args)).trimEnd().split("\n");
  return said.shift() === "Welcome!" && said.length === count &&
    said.every((line, i) => line === `Hello, Michael${i}!`);
}
