/**
 * fetch.ts beside curl and what else people download with.
 *
 * @module
 */
import { DENO_FETCH, download, downloads, OURS, TUTORIAL, type Way } from "./downloads.ts";
import { nginxLines, type Site, startSite } from "./nginx.ts";
import { type Bench, compile, interleave, measure, Server, type Used } from "./programs.ts";
import type { Section, Table } from "./report.ts";
import * as show from "./report.ts";
import { ratios, type Rounds, stats, type Target, valuesOf } from "./stats.ts";

/** A way in which the file is served. */
interface Case extends Way {
  name: string;
  url: string;
  /** The targets: times as long as curl, and times its CPU. */
  wall: number;
  cpu: number;
}

/** The peers without a target. */
const SELDOM = ["wget", "aria2c", DENO_FETCH, TUTORIAL];

/** The targets for memory, in MiB; the decoder of gzip is a stream with queues of its own. */
const MEMORY = 64, MEMORY_GZIP = 128;

/** Measures fetch.ts and its peers. */
export async function benchFetch(bench: Bench): Promise<Section> {
  const { folder } = bench;
  await using site = await startSite(bench);
  const server = [await compile(bench, "peers/chunks"), `${folder}/block`];
  await using chunks = new Server(server);
  const size = show.bytes(site.size);
  const all = new Map<Case, Rounds<Used>>();
  const tables: Table[] = [];
  for (const it of cases(site, await chunks.port)) {
    const peers = downloads(bench, it.url, it);
    const title = `${size}, ${it.name}`;
    // As many rounds as 22 minutes for everything allow: gzip is the slowest.
    const plan = { title, rounds: 8, seconds: it.gzip ? 150 : 90, peers, seldom: SELDOM };
    const results = await interleave(
      bench,
      plan,
      (command) => download(bench, command, `${folder}/large`),
    );
    all.set(it, results);
    const table = { title, finding: finding(results), ...show.usedTable(results, "curl") };
    if (!it.tls && !it.gzip) table.rows.push(await drain(bench, it, table.columns.length));
    tables.push({ ...table, commands: show.lines(peers) });
  }
  tables[0]!.commands!.unshift(...await nginxLines(bench), show.line(server));
  return {
    title: "fetch.ts",
    notes: [
      `A file of ${size} from nginx (sendfile on, one worker), for the chunked cases from ` +
      "bench/peers/chunks.c, which sends made frames by sendfile. Each download goes into a new " +
      `file in ${show.place(folder)} and is compared with the source. \`read and dropped in C\` ` +
      "shows how fast the server can be read at all.",
    ],
    tables,
    charts: [{
      file: "benchmarks-fetch.svg",
      title: `Seconds to download ${size} (less is better)`,
      format: show.seconds,
      groups: [...all].map(([{ name }, results]) => ({
        label: name,
        bars: show.bars(results, show.wall)
          .filter(({ label }) => label !== TUTORIAL), // so slow that others vanish
      })),
    }],
    targets: targets(all, size),
  };
}

function cases(site: Site, chunks: number): Case[] {
  const chunked = (chunk: number): Case => ({
    name: `chunks of ${chunk / 1024} KiB`,
    url: `http://127.0.0.1:${chunks}/${chunk}/${site.size / 2 ** 22}`, // so many blocks of 4 MiB
    chunked: true,
    wall: 0.7,
    cpu: 1.15,
  });
  const tls = site.url("plain/large", "https");
  return [
    { name: "content-length", url: site.url("plain/large"), wall: 0.8, cpu: 1.15 },
    chunked(64 * 1024),
    chunked(8 * 1024),
    { name: "TLS 1.3", url: tls, tls: true, wall: 1, cpu: 1.15 },
    { name: "gzip", url: site.url("gzip/large"), gzip: true, wall: 0.6, cpu: 1.15 },
  ];
}

function finding(results: Rounds<Used>): string {
  const most = Math.max(...valuesOf(results, OURS, show.memory));
  const compared = show.comparison(
    OURS,
    "takes N times as long as",
    "curl",
    ratios(results, OURS, "curl", show.wall),
  );
  return compared && `${compared}, and ${show.mebibytes(most)} of memory at most.`;
}

function targets(all: ReadonlyMap<Case, Rounds<Used>>, size: string): Target[] {
  // The most of all cases in each round.
  const memory = (gzip: boolean) => {
    const most = new Map<number, number>();
    for (const [it, results] of all) {
      if (Boolean(it.gzip) !== gzip) continue;
      for (const [round, used] of results.get(OURS) ?? []) {
        most.set(round, Math.max(most.get(round) ?? 0, used.memory / 2 ** 20));
      }
    }
    return [...most.values()];
  };
  const unit = "of curl";
  return [
    ...[...all].flatMap(([it, results]): Target[] => [
      {
        what: `${size}, ${it.name}, wall`,
        unit,
        limit: ["at most", it.wall],
        values: ratios(results, OURS, "curl", show.wall),
      },
      {
        what: `${size}, ${it.name}, CPU`,
        unit,
        limit: ["at most", it.cpu],
        values: ratios(results, OURS, "curl", show.cpu),
      },
    ]),
    {
      what: "peak memory, gzip",
      unit: "MiB",
      limit: ["at most", MEMORY_GZIP],
      values: memory(true),
    },
    {
      what: "peak memory, any other download",
      unit: "MiB",
      limit: ["at most", MEMORY],
      values: memory(false),
    },
  ];
}

/** A row that says how fast the server can be read, when nothing is done with the bytes. */
async function drain(bench: Bench, { name, url }: Case, columns: number): Promise<string[]> {
  const label = "read and dropped in C";
  const { port, pathname } = new URL(url);
  const peers = { [label]: [await compile(bench, "load"), "drain", port, pathname] };
  const plan = { title: `${name}, ${label}`, rounds: 3, seconds: 10, peers };
  const results = await interleave(bench, plan, (command) => measure(bench, command));
  const took = valuesOf(results, label, show.wall);
  const cells = took.length ? [show.seconds(stats(took).median)] : [];
  return Array.from({ length: columns }, (_, i) => [label, ...cells][i] ?? "");
}
