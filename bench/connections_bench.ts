/**
 * One file over several connections: what that gains on a slow server and costs on a fast one.
 *
 * @module
 */
import type { Panel } from "./chart.ts";
import { aria2c, download, fetching } from "./downloads.ts";
import { makeFile, nginxLines, type Site, SLOW, startSite } from "./nginx.ts";
import { available, type Bench, interleave, type Used } from "./programs.ts";
import type { Section, Table } from "./report.ts";
import * as show from "./report.ts";
import { ratios, type Rounds, type Target, valuesOf } from "./stats.ts";

const COUNTS = [1, 2, 4, 8, 16];
const ours = (count: number) => `fetch.ts --connections ${count}`;
const ARIA2C = "aria2c -x4 -s4";

/** The server's speed, and what was measured on it. */
type Results = Record<"slow" | "fast", Rounds<Used>>;

/** Measures `--connections` from 1 to 16. */
export async function benchConnections(bench: Bench): Promise<Section> {
  const { folder } = bench;
  await using site = await startSite(bench);
  const slowSize = SLOW * (bench.quick ? 4 : 12); // one connection takes 11 seconds, see the notes
  await makeFile(`${folder}/slow`, slowSize);
  const commands = { slow: commandsOf(bench, site, "slow"), fast: commandsOf(bench, site, "fast") };
  const run = (file: string) => (command: string[]) =>
    download(bench, command, `${folder}/${file}`);
  const results: Results = {
    slow: await interleave(
      bench,
      { title: "connections, slow", rounds: 3, quick: 1, seconds: 70, peers: commands.slow },
      run("slow"),
    ),
    fast: await interleave(
      bench,
      { title: "connections, fast", rounds: 8, seconds: 70, peers: commands.fast },
      run("large"),
    ),
  };
  const table = (speed: keyof Results, title: string): Table => ({
    title,
    finding: finding(results[speed]),
    ...show.usedTable(results[speed], ours(1)),
    commands: show.lines(commands[speed]),
  });
  const tables = [
    table("slow", `${show.bytes(slowSize)} from a slow server`),
    table("fast", `${show.bytes(site.size)} from a fast server`),
  ];
  tables[0]!.commands!.unshift(...await nginxLines(bench));
  return {
    title: "More connections for one file",
    notes: [
      `The slow server is nginx with \`limit_rate\`: each connection gets ${
        SLOW / 2 ** 20
      } MiB a ` +
      "second, and nginx grants the bytes of its first second at once. So the bytes of one second " +
      "are a present to each connection, and four gain more than four times. The fast server has " +
      "no limit: there one connection is as fast as the machine, and more can only cost.",
    ],
    tables,
    charts: [chart(results)],
    targets: targets(results),
  };
}

function commandsOf(bench: Bench, site: Site, speed: keyof Results) {
  const url = site.url(speed === "slow" ? "slow/slow" : "plain/large");
  return available(bench, {
    ...Object.fromEntries(
      COUNTS.map((count) => [ours(count), fetching(bench, url, "--connections", `${count}`)]),
    ),
    [ARIA2C]: aria2c(bench, 4, url),
  });
}

function finding(results: Rounds<Used>): string {
  const values = ratios(results, ours(1), ours(4), show.wall);
  const compared = show.comparison("Four connections", "are N times as fast as", "one", values);
  const memory = Math.max(...valuesOf(results, ours(16), show.memory));
  return compared && `${compared}; 16 take ${show.mebibytes(memory)} of memory at most.`;
}

function chart(results: Results): Section["charts"][number] {
  const line = (speed: keyof Results, label: string, value: (used: Used) => number) => ({
    label,
    points: COUNTS.map((count) => show.point(valuesOf(results[speed], ours(count), value))),
  });
  const aria2c = (speed: keyof Results) => ({
    label: ARIA2C,
    points: COUNTS.map((count) =>
      count === 4 ? show.point(valuesOf(results[speed], ARIA2C, show.wall)) : undefined
    ),
  });
  const time = (speed: keyof Results): Panel => ({
    title: `Seconds, ${speed} server (less is better)`,
    format: show.seconds,
    lines: [line(speed, "fetch.ts", show.wall), aria2c(speed)],
  });
  return {
    file: "benchmarks-connections.svg",
    title: "One file over 1 to 16 connections",
    steps: "connections",
    ticks: COUNTS.map(String),
    panels: [time("slow"), time("fast"), {
      title: "Memory, fast server (less is better)",
      ...show.inMebibytes,
      lines: [line("fast", "fetch.ts", show.memory)],
    }],
  };
}

function targets({ slow, fast }: Results): Target[] {
  return [
    {
      what: "4 connections, slow server, speed",
      unit: "times one connection",
      limit: ["at least", 3.7],
      values: ratios(slow, ours(1), ours(4), show.wall),
    },
    {
      what: "4 connections, slow server, wall",
      unit: `of ${ARIA2C}`,
      limit: ["at most", 1],
      values: ratios(slow, ours(4), ARIA2C, show.wall),
    },
    ...[4, 16].map((count): Target => ({
      what: `${count} connections, fast server, wall`,
      unit: "of one connection",
      limit: ["at most", 1.05],
      values: ratios(fast, ours(count), ours(1), show.wall),
    })),
    {
      what: "16 connections, peak memory",
      unit: "MiB",
      limit: ["at most", 64],
      values: valuesOf(fast, ours(16), show.memory).map((bytes) => bytes / 2 ** 20),
    },
  ];
}
