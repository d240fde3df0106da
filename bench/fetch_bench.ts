/**
 * fetch.ts beside curl and what else people download with.
 *
 * @module
 */
import { makeCertificate, makeFiles, startNginx } from "./nginx.ts";
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
  type Used,
} from "./programs.ts";
import { type Section, stats, type Table, type Target } from "./report.ts";
import * as show from "./report.ts";

const OURS = "fetch.ts";

/** The peer that keeps all of the answer in memory. */
const TUTORIAL = "tutorial's GET";

/** The peer that does nothing, for what starting Deno costs. */
const NOTHING = "deno run of nothing";

/** The peer that loads what fetch.ts must, in 30 lines that check nothing. */
const LEAST = "30 lines unchecked";

/** Runs a script that may write into /dev/shm: no other permission opens files under /dev. */
const DENO = ["deno", "run", "--no-prompt", "--allow-all"];

/** The files that are served, and how many blocks they have. */
type Files = Record<"large" | "small", number>;

/** A way in which a file is served. */
interface Case {
  name: string;
  url: (file: keyof Files) => string;
  /** Whether the answer is compressed, and to be decoded. */
  gzip?: true;
  /** Whether the answer comes by TLS. */
  tls?: true;
  /** The target for the wall time, as a part of curl's. */
  wall: number;
}

/** What each peer took for the large and for the small file, which `--quick` leaves out. */
type Results = Record<keyof Files, Map<string, Used[]>>;

/** The commands that save `url` as `file`, those that can. */
function commands(
  bench: Bench,
  { gzip, tls, name }: Partial<Case>,
  url: string,
  file: string,
): Record<string, string[]> {
  const { folder } = bench;
  const ca = `${folder}/ca.pem`;
  const { hostname, port, pathname } = new URL(url);
  const when = (condition: true | undefined, ...words: string[]) => condition ? words : [];
  // deno-fmt-ignore
  return available(bench, {
    [OURS]: [
      ...DENO, `${ROOT}fetch.ts`, "-s", ...when(gzip, "--compressed"),
      ...when(tls, "--cacert", ca), "-o", file, url,
    ],
    curl: [
      "curl", "-s", ...when(gzip, "--compressed"), ...when(tls, "--cacert", ca),
      "-o", file, url,
    ],
    wget: [
      "wget", "-q", ...when(gzip, "--compression=gzip"),
      ...when(tls, `--ca-certificate=${ca}`), "-O", file, url,
    ],
    aria2c: [
      "aria2c", "-q", "-x1", "--no-conf", "--allow-overwrite=true",
      ...when(gzip, "--http-accept-gzip=true"), ...when(tls, `--ca-certificate=${ca}`),
      "-d", folder, "-o", file.slice(folder.length + 1), url,
    ],
    "Deno's fetch()": [
      ...DENO, ...when(tls, "--cert", ca),
      `${ROOT}bench/peers/fetch.ts`, url, file,
    ],
    // The tutorial's GET knows no other framing.
    ...name === "content-length" && {
      [TUTORIAL]: [
        "python3", `${ROOT}tests/compat/tutorial_get.py`, hostname, port, file, pathname,
      ],
    },
  });
}

/** Measures fetch.ts and its peers; nothing without nginx. */
export async function benchFetch(bench: Bench): Promise<Section | undefined> {
  await find(bench, ["nginx", "openssl", "curl", "wget", "aria2c", "python3"]);
  const { folder, quick, missing } = bench;
  if (missing.has("nginx") || missing.has("openssl")) return;
  const files: Files = { large: quick ? 16 : 256, small: 25 };
  const size = quick ? "64 MiB" : "1 GiB";
  await makeFiles(folder, files);
  await makeCertificate(bench);
  await using chunks = new Server([await compile(bench, "peers/chunks"), `${folder}/block`]);
  await using nginx = await startNginx(bench);

  const all = new Map<Case, Results>();
  const tables: Table[] = [];
  for (const it of cases(nginx, await chunks.port, files)) {
    const results: Results = {
      large: await download(bench, it, "large", quick ? 2 : 5),
      small: quick ? new Map() : await download(bench, it, "small", 3),
    };
    all.set(it, results);
    const table = show.usedTable(results.large, "curl");
    if (!it.tls && !it.gzip) {
      table.rows.push(["read and dropped in C", await drain(bench, it), ...Array(5).fill("")]);
    }
    const words = show.lines(commands(bench, it, it.url("large"), `${folder}/out`));
    tables.push({ title: `${size}, ${it.name}`, ...table, commands: words });
  }
  return {
    title: "fetch.ts",
    notes: [
      `A file of ${size} from nginx (sendfile on, one worker), for the chunked ` +
      "cases from bench/peers/chunks.c, which sends made frames by sendfile. " +
      `Each download goes into a new file in ${show.place(folder)} and is ` +
      "compared with the source. `read and dropped in C` shows how fast the " +
      "server can be read at all.",
    ],
    tables: [...tables, memoryTable(all, quick ? size : `100 MiB and ${size}`)],
    chart: {
      file: "benchmarks-fetch.svg",
      title: `Seconds to download ${size} (less is better)`,
      groups: [...all].map(([it, results]) => ({
        label: it.name,
        bars: show.bars(results.large, (used) => used.wall, show.seconds)
          .filter(({ label }) => label !== TUTORIAL), // so slow that others vanish
      })),
    },
    targets: quick ? [] : targets(all, size), // they are for 1 GiB
  };
}

function cases(nginx: { http: number; https: number }, chunks: number, files: Files): Case[] {
  const http = `http://127.0.0.1:${nginx.http}`, https = `https://127.0.0.1:${nginx.https}`;
  const chunked = (chunk: number): Case => ({
    name: `chunks of ${chunk / 1024} KiB`,
    url: (file) => `http://127.0.0.1:${chunks}/${chunk}/${files[file]}`,
    wall: 0.85,
  });
  return [
    { name: "content-length", url: (file) => `${http}/plain/${file}`, wall: 0.85 },
    chunked(64 * 1024),
    chunked(8 * 1024),
    { name: "TLS 1.3", url: (file) => `${https}/plain/${file}`, tls: true, wall: 1 },
    { name: "gzip", url: (file) => `${http}/gzip/${file}`, gzip: true, wall: 0.8 },
  ];
}

/** Downloads with each peer in turn, so many times. */
function download(bench: Bench, it: Case, source: keyof Files, rounds: number) {
  const file = `${bench.folder}/out`;
  const all = commands(bench, it, it.url(source), file);
  return interleave(
    bench,
    rounds,
    all,
    (command) => save(bench, command, file, `${bench.folder}/${source}`),
  );
}

/** The most memory, in bytes, that the runs of a peer took. */
function most(results: Map<string, Used[]>, peer: string): number | undefined {
  const list = results.get(peer);
  return list && stats(list.map((used) => used.memory)).max;
}

function memoryTable(all: Map<Case, Results>, files: string): Table {
  const peers = new Set([...all.values()].flatMap(({ large }) => [...large.keys()]));
  return {
    title: `Peak memory, ${files}`,
    columns: ["", ...[...all.keys()].map((it) => it.name)],
    rows: [...peers].map((peer) => [
      peer,
      ...[...all.values()].map(({ small, large }) =>
        [most(small, peer), most(large, peer)]
          .flatMap((bytes) => bytes ? [show.mebibytes(bytes)] : []).join(", ")
      ),
    ]),
  };
}

function targets(all: Map<Case, Results>, size: string): Target[] {
  const memory = (gzip: boolean) =>
    greatest(
      [...all].map(([it, { large }]) =>
        Boolean(it.gzip) === gzip ? most(large, OURS)! / 2 ** 20 : NaN
      ),
    );
  const growth = greatest(
    [...all.values()].map(({ large, small }) => most(large, OURS)! / most(small, OURS)!),
  );
  return [
    ...[...all].flatMap(([{ name, wall }, { large }]) => [
      target(`${size}, ${name}, wall`, wall, large, "curl", "wall"),
      target(`${size}, ${name}, CPU`, 1.15, large, "curl", "cpu"),
    ]),
    {
      what: "peak memory, gzip",
      unit: "MiB",
      limit: ["at most", 128],
      value: memory(true),
    },
    {
      what: "peak memory, any other download",
      unit: "MiB",
      limit: ["at most", 64],
      value: memory(false),
    },
    {
      what: `peak memory, ${size} beside 100 MiB`,
      unit: "times",
      limit: ["at most", 1.15],
      value: growth,
    },
  ];
}

/** Measures how long a page of 30 KB takes, most of it the start. */
export async function benchStart(bench: Bench): Promise<Section | undefined> {
  const { folder, quick, missing } = bench;
  if (missing.has("nginx") || missing.has("openssl")) return;
  await using nginx = await startNginx(bench);
  const url = `http://127.0.0.1:${nginx.http}/plain/page`;
  const file = `${folder}/out`;
  const all: Record<string, string[]> = {
    ...commands(bench, { name: "content-length" }, url, file),
    ...available(bench, {
      [LEAST]: [...DENO, `${ROOT}bench/peers/least.ts`, "-o", file, url],
      [NOTHING]: ["deno", "run", `${ROOT}bench/peers/empty.ts`],
    }),
  };
  const results = await interleave(
    bench,
    quick ? 10 : 40,
    all,
    (command) =>
      command === all[NOTHING]
        ? measure(bench, command)
        : save(bench, command, file, `${folder}/page`),
  );
  return {
    title: "The start",
    notes: [
      "A page of 30 KB from nginx, beside `deno run` of an empty script. `" + LEAST + "` is " +
      "bench/peers/least.ts: 30 lines that load what fetch.ts must and check nothing, so it " +
      "shows how much of the start is Deno's.",
    ],
    tables: [{
      title: "A page of 30 KB",
      ...show.usedTable(results, NOTHING),
      commands: show.lines(all),
    }],
    chart: {
      file: "benchmarks-start.svg",
      title: "Milliseconds for a page of 30 KB (less is better)",
      groups: [{
        label: "",
        bars: show.bars(results, (used) => used.wall, show.milliseconds),
      }],
    },
    targets: [target("30 KB page, wall", 1.3, results, NOTHING, "wall")],
  };
}

/** The greatest of those that are numbers. */
function greatest(values: number[]): number | undefined {
  const numbers = values.filter((value) => !Number.isNaN(value));
  return numbers.length ? Math.max(...numbers) : undefined;
}

function target(
  what: string,
  limit: number,
  results: Map<string, Used[]>,
  peer: string,
  field: "wall" | "cpu",
): Target {
  const [a, b] = [OURS, peer].map((name) => {
    const list = results.get(name);
    return list && stats(list.map((used) => used[field])).median;
  });
  return { what, unit: `of ${peer}`, limit: ["at most", limit], value: a && b && a / b };
}

/** Runs a download and checks what it saved. */
async function save(
  bench: Bench,
  command: string[],
  file: string,
  source: string,
): Promise<Used> {
  await Deno.remove(file).catch(() => {});
  const used = await measure(bench, command);
  await output("cmp", [file, source]);
  return used;
}

/** How fast the server can be read, when nothing is done with the bytes. */
async function drain(bench: Bench, it: Case): Promise<string> {
  const { port, pathname } = new URL(it.url("large"));
  const command = [await compile(bench, "load"), "drain", port, pathname];
  const results = await interleave(bench, 3, { drain: command }, (it) => measure(bench, it));
  return show.seconds(stats(results.get("drain")!.map((used) => used.wall)).median);
}
