/**
 * What starting costs: each script beside an empty one and beside what else does its work.
 *
 * @module
 */
import { DENO, DENO_FETCH, download, downloads, OURS, savedAs, TUTORIAL } from "./downloads.ts";
import { startSite } from "./nginx.ts";
import {
  available,
  type Bench,
  compile,
  find,
  interleave,
  measure,
  ROOT,
  Server,
  type Used,
} from "./programs.ts";
import type { Section, Table } from "./report.ts";
import * as show from "./report.ts";
import { ratios, type Rounds, type Target } from "./stats.ts";

/** What is run, and what it means that it is done. */
interface Start {
  command: string[];
  /** A download is done when it has ended and its file is right. */
  file?: true;
  /** A server is done when it has said this. */
  until?: string;
}

const NOTHING = "an empty script", LEAST = "30 lines unchecked";
const LISTENS = "server.ts listens", GREETS = "client.ts, three names";

/** What a server says when it listens. */
const LISTENING = "127.0.0.1:";

/** Measures all starts in one interleaved run, so that they can be compared. */
export async function benchStart(bench: Bench): Promise<Section> {
  const { folder } = bench;
  await find(bench, ["node"]);
  await using site = await startSite(bench);
  await using greeter = new Server([await compile(bench, "peers/greet")]);
  const groups = startsOf(bench, site.url("plain/page"), await greeter.port);
  const peers = Object.assign({}, ...Object.values(groups)) as Record<string, Start>;
  const results = await interleave(
    bench,
    { title: "starts", rounds: 40, quick: 10, seconds: 60, peers },
    ({ command, file, until }) =>
      file ? download(bench, command, `${folder}/page`) : measure(bench, command, until),
  );
  const tables = Object.entries(groups).map(([title, starts]): Table => {
    const names = [NOTHING, ...Object.keys(starts).filter((name) => name !== NOTHING)];
    const part = new Map(names.flatMap((name) => {
      const list = results.get(name);
      return list ? [[name, list] as const] : [];
    }));
    const commands = names.map((name) => peers[name]!.command);
    return {
      title,
      finding: finding(names.find((name) => /^\w+\.ts/.test(name))!, results),
      ...show.usedTable(part, NOTHING),
      commands: commands.map(show.line),
    };
  });
  return {
    title: "The start",
    notes: [
      "A server is killed when it has said where it listens; a client says three names to the " +
      "server in C; a page of 30 KB comes from nginx. All are run in turn, beside `deno run` of " +
      `an empty script. \`${LEAST}\` is bench/peers/least.ts, which loads what fetch.ts must and ` +
      "checks nothing, so it shows how much of the start is Deno's.",
    ],
    tables,
    charts: [{
      file: "benchmarks-start.svg",
      title: "Milliseconds from start to done (less is better)",
      format: show.milliseconds,
      groups: [{ label: "", bars: show.bars(results, show.wall) }],
    }],
    targets: targets(results),
  };
}

/** What is started, by what it does. */
function startsOf(bench: Bench, url: string, port: number) {
  const peers = `${ROOT}bench/peers`;
  const local = ["deno", "run", "--no-prompt", "--allow-net=127.0.0.1"];
  const starts = (commands: Record<string, string[]>, done: Omit<Start, "command"> = {}) =>
    Object.fromEntries(
      Object.entries(available(bench, commands))
        .map(([name, command]): [string, Start] => [name, { command, ...done }]),
    );
  return {
    "A server until it listens": {
      ...starts({ [NOTHING]: ["deno", "run", `${peers}/empty.ts`] }),
      ...starts({
        [LISTENS]: [...local, `${ROOT}server.ts`, "--port", "0"],
        "Node listens": ["node", `${peers}/server_node.mjs`],
        "asyncio listens": ["python3", `${peers}/server_asyncio.py`],
      }, { until: LISTENING }),
    },
    "A client with three names": starts({
      [GREETS]: [...local, `${ROOT}client.ts`, "--port", `${port}`],
      "Node, three names": ["node", `${peers}/client_node.mjs`, `${port}`, "3"],
      "Python, three names": ["python3", `${peers}/client.py`, `${port}`, "3"],
    }),
    "A page of 30 KB": starts({
      ...downloads(bench, url),
      [LEAST]: [...DENO, `${peers}/least.ts`, "-o", savedAs(bench), url],
    }, { file: true }),
  };
}

function finding(name: string, results: Rounds<Used>): string {
  const values = ratios(results, name, NOTHING, show.wall);
  const compared = show.comparison(name, "takes N times as long as", NOTHING, values);
  return compared && `${compared}.`;
}

function targets(results: Rounds<Used>): Target[] {
  const target = (what: string, ours: string, peer: string, limit: number): Target => ({
    what: `start: ${what}`,
    unit: `of ${peer}`,
    limit: ["at most", limit],
    values: ratios(results, ours, peer, show.wall),
  });
  return [
    target("server.ts until it listens", LISTENS, NOTHING, 1.35),
    target("client.ts, three names", GREETS, NOTHING, 1.55),
    target("fetch.ts, a page of 30 KB", OURS, NOTHING, 1.6),
    target("fetch.ts, a page of 30 KB", OURS, DENO_FETCH, 1),
    target("fetch.ts, a page of 30 KB", OURS, TUTORIAL, 1),
  ];
}
