/**
 * How downloads grow: with the size of the file, and with what is there of it already.
 *
 * @module
 */
import { clear, download, downloads, fetching, finish, OURS, savedAs } from "./downloads.ts";
import { makeFile, type Site, startSite } from "./nginx.ts";
import { available, type Bench, interleave, output, type Used } from "./programs.ts";
import type { Section } from "./report.ts";
import * as show from "./report.ts";
import { ratios, type Rounds, stats, type Target, valuesOf } from "./stats.ts";

const MIB = 2 ** 20;

/** The sizes of files, in MiB. */
const SIZES = [1, 4, 16, 64, 256, 1024, 4096], QUICK = 64;

/** The sizes that the target for memory compares. */
const [SMALL, LARGE] = [64, 1024] as const;

/** The parts of a file that are there before it is resumed. */
const SHARES = [0, 0.25, 0.5, 0.75, 0.99];
const RESUME = "fetch.ts -C", HASHED = "fetch.ts -C --sha256", CURL = "curl -C -";

/** A line for each peer: `value` at each step. */
function linesOf<T>(
  steps: readonly Rounds<T>[],
  peers: string[],
  value: (result: T) => number,
) {
  return peers.map((label) => ({
    label,
    points: steps.map((results) => show.point(valuesOf(results, label, value))),
  }));
}

/** Measures downloads of growing files. */
export async function benchSizes(bench: Bench): Promise<Section> {
  const { folder, quick } = bench;
  await using site = await startSite(bench);
  const { [OURS]: ours, curl } = downloads(bench, site.url("plain/grown"));
  const peers = { [OURS]: ours!, ...curl && { curl } };
  const sizes = SIZES.filter((size) => !quick || size <= QUICK);
  const steps: Rounds<Used>[] = [];
  for (const size of sizes) {
    await makeFile(`${folder}/grown`, size * MIB);
    const title = `a download of ${show.bytes(size * MIB)}`;
    // The largest once: it warms up, and one round counts.
    const plan = { title, rounds: size > LARGE ? 1 : 5, seconds: 20, peers };
    steps.push(
      await interleave(bench, plan, (command) => download(bench, command, `${folder}/grown`)),
    );
    await clear(bench);
    await Deno.remove(`${folder}/grown`);
  }
  const names = Object.keys(peers), ticks = sizes.map((size) => show.bytes(size * MIB));
  const [times, memory] = [linesOf(steps, names, show.wall), linesOf(steps, names, show.memory)];
  return {
    title: "Growing files",
    notes: ["The same download for files of each size; the largest runs once."],
    tables: [{
      title: `A download from ${ticks[0]} to ${ticks.at(-1)}`,
      finding: largest(steps.at(-1)!, ticks.at(-1)!),
      ...show.stepsTable(
        ["", ...names, ...names.map((name) => `${name}, memory`)],
        ticks,
        [
          ...times.map((line) => ({ ...line, format: show.seconds })),
          ...memory.map((line) => ({ ...line, format: show.mebibytes })),
        ],
      ),
      commands: show.lines(peers),
    }],
    charts: [{
      file: "benchmarks-sizes.svg",
      title: `A download from ${ticks[0]} to ${ticks.at(-1)}`,
      steps: "size of the file",
      ticks,
      panels: [
        { title: "Seconds (less is better)", format: show.plainSeconds, log: true, lines: times },
        { title: "Memory (less is better)", ...show.inMebibytes, lines: memory },
      ],
    }],
    targets: [memoryTarget(steps)],
  };
}

function largest(results: Rounds<Used>, size: string): string {
  const used = results.get(OURS)?.values().next().value;
  if (!used) return "";
  const time = ratios(results, OURS, "curl", show.wall);
  return `A file of ${size} takes ${show.mebibytes(used.memory)} of memory and ` +
    `${show.seconds(used.wall)}${
      time.length ? `, ${show.ratio(time)} times as long as curl` : ""
    }.`;
}

function memoryTarget(steps: readonly Rounds<Used>[]): Target {
  const [small, large] = [SMALL, LARGE].map((size) =>
    valuesOf(steps[SIZES.indexOf(size)] ?? new Map(), OURS, show.memory)
  ) as [number[], number[]];
  return {
    what: `peak memory, ${show.bytes(LARGE * MIB)} beside ${show.bytes(SMALL * MIB)}`,
    unit: "times",
    limit: ["at most", 1.15],
    values: large.flatMap((bytes, i) => small[i] ? [bytes / small[i]] : []),
  };
}

/** Measures how long it takes to go on with a file. */
export async function benchResume(bench: Bench): Promise<Section> {
  const { folder } = bench;
  await using site = await startSite(bench);
  const size = show.bytes(site.size), url = site.url("plain/large");
  const record = await interrupt(bench, url);
  const [hash] = (await output("sha256sum", [`${folder}/large`])).split(" ");
  const peers = available(bench, {
    [RESUME]: fetching(bench, url, "-C"),
    [HASHED]: fetching(bench, url, "-C", "--sha256", hash!),
    [CURL]: ["curl", "-s", "-C", "-", "-o", savedAs(bench), url],
  });
  const names = Object.keys(peers);
  const steps: Rounds<Used>[] = [];
  for (const share of SHARES) {
    const plan = { title: `resume at ${percent(share)}`, rounds: 3, quick: 1, seconds: 30, peers };
    steps.push(
      await interleave(bench, plan, async (command) => {
        await prepare(bench, site, share, command === peers[CURL] ? undefined : record);
        return await finish(bench, command, `${folder}/large`);
      }),
    );
  }
  await clear(bench);
  const lines = linesOf(steps, names, show.wall), ticks = SHARES.map(percent);
  return {
    title: "Going on with a file",
    notes: [
      `A file of ${size} of which a part is there: FILE.part and its record, as an interrupted ` +
      "run of fetch.ts leaves them; for curl FILE. The whole is compared with the source. With " +
      "`--sha256` fetch.ts has to hash what is there before it, too.",
    ],
    tables: [{
      title: `A resume of ${size}`,
      finding: costOfHash(steps),
      ...show.stepsTable(["there before", ...names], ticks, [
        ...lines.map((line) => ({ ...line, format: show.seconds })),
      ]),
      commands: show.lines(peers),
    }],
    charts: [{
      file: "benchmarks-resume.svg",
      title: `A resume of ${size}`,
      steps: "there before",
      ticks,
      panels: [{ title: "Seconds (less is better)", format: show.seconds, lines }],
    }],
    targets: [],
  };
}

const percent = (share: number) => `${Math.round(share * 100)} %`;

/** Lets a download be cut off, and gives the record that it leaves. */
async function interrupt(bench: Bench, url: string): Promise<string> {
  await clear(bench);
  const [deno, ...args] = fetching(bench, url, "--limit-rate", "10M", "--max-time", "0.5");
  const [path] = available(bench, { deno: [deno!, ...args] })["deno"]!;
  await output(path!, args).catch(() => {}); // exit code 28, as it should
  return await Deno.readTextFile(`${savedAs(bench)}.part.json`);
}

/** Puts the first `share` of the file where a resume looks for it, with a record or without. */
async function prepare(bench: Bench, site: Site, share: number, record?: string) {
  await clear(bench);
  if (!share) return;
  const file = savedAs(bench), part = record === undefined ? file : `${file}.part`;
  await Deno.copyFile(`${bench.folder}/large`, part);
  await Deno.truncate(part, Math.round(site.size * share));
  if (record !== undefined) await Deno.writeTextFile(`${file}.part.json`, record);
}

/** What `--sha256` adds, where the most is there before and where nothing is. */
function costOfHash(steps: readonly Rounds<Used>[]): string {
  const ends = [steps[0]!, steps.at(-1)!];
  if (!ends.every((results) => results.has(HASHED) && results.has(RESUME))) return "";
  const costs = ends.map((results) => {
    const [hashed, plain] = [HASHED, RESUME].map((name) => valuesOf(results, name, show.wall));
    return show.seconds(stats(hashed!).median - stats(plain!).median);
  });
  return `\`--sha256\` costs ${costs[1]} where ${percent(SHARES.at(-1)!)} is there and has to be ` +
    `read again, and ${costs[0]} where all of it comes from the server.`;
}
