/**
 * The report: what was found, as tables, and the page with all of it.
 *
 * @module
 */
import { type Bar, type Chart, describe, draw } from "./chart.ts";
import { type Bench, ENVIRONMENT, output, ROOT, type Used } from "./programs.ts";
import {
  ratios,
  type Rounds,
  RULE,
  type Stats,
  stats,
  type Target,
  valuesOf,
  verdict,
} from "./stats.ts";

/** What one part of the benchmark found. */
export interface Section {
  title: string;
  /** Paragraphs that say what is measured and how. */
  notes: string[];
  tables: Table[];
  charts: Chart[];
  targets: Target[];
}

/** A table; the first column is text, the others are numbers. */
export interface Table {
  title: string;
  /** What to take from it, made from its numbers. */
  finding?: string;
  columns: string[];
  rows: string[][];
  /** The commands that were run, one a line. */
  commands?: string[];
}

/** Seconds, such as `0.512 s`. */
export const seconds = (s: number): string => `${s.toFixed(3)} s`;

/** Seconds without zeros at their end, such as `0.01 s`. */
export const plainSeconds = (s: number): string => `${Number(s.toPrecision(3))} s`;

/** Seconds as milliseconds, such as `61.3 ms`. */
export const milliseconds = (s: number): string => `${(s * 1e3).toFixed(1)} ms`;

/** Bytes as whole MiB, such as `58 MiB`. */
export const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;

/** How a chart's panel shows bytes. */
export const inMebibytes = { format: mebibytes, unit: 2 ** 20 } as const;

/** Bytes as MiB or GiB, whichever is shorter, such as `256 MiB`. */
export const bytes = (n: number): string => n < 2 ** 30 ? mebibytes(n) : gibibytes(n);

/** Bytes as whole GiB, such as `24 GiB`. */
export const gibibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 30)} GiB`;

/** What kind of folder the benchmark's folder is. */
export const place = (folder: string): string =>
  folder.startsWith("/dev/shm") ? "memory (tmpfs)" : "a temporary folder";

/** A whole number, such as `90,123`. */
export const whole = (n: number): string => Math.round(n).toLocaleString("en");

/** Bytes as KiB, such as `8.0 KiB`. */
export const kibibytes = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KiB`;

/** Microseconds as milliseconds, such as `0.61 ms`. */
export const latency = (us: number): string => `${(us / 1e3).toFixed(2)} ms`;

/** A part of something, such as `0.75`. */
export const part = (n: number): string => n.toFixed(2);

/** The quartiles, such as `0.72 to 0.80`. */
export const quartiles = ({ q1, q3 }: Stats, format: (n: number) => string): string =>
  `${format(q1)} to ${format(q3)}`;

/** The median and the quartiles. */
export function spread(values: readonly number[], format: (n: number) => string): string[] {
  const all = stats(values);
  return [format(all.median), quartiles(all, format)];
}

/** The median of ratios, or nothing. */
export const ratio = (values: readonly number[]): string =>
  values.length ? part(stats(values).median) : "";

/**
 * A sentence about ratios: `fetch.ts takes 0.75 times as long as curl (0.72 to 0.80 in the
 * middle half of the rounds)`; nothing without ratios.
 */
export function comparison(
  ours: string,
  does: string,
  peer: string,
  values: readonly number[],
): string {
  if (!values.length) return "";
  const all = stats(values);
  return `${ours} ${does.replace("N", part(all.median))} ${peer} ` +
    `(${quartiles(all, part)} in the middle half of the rounds)`;
}

/** A table of what commands took, with ratios to `peer`. */
export function usedTable(
  results: Rounds<Used>,
  peer: string,
): Pick<Table, "columns" | "rows"> {
  const all = [...results.values()].flatMap((list) => [...list.values()]);
  const time = all.some(({ wall }) => wall >= 0.5) ? seconds : milliseconds;
  return {
    columns: ["", "wall", "quartiles", `of ${peer}`, "CPU", `of ${peer}`, "memory", "rounds"],
    rows: [...results].map(([name, list]) => [
      name,
      ...spread(valuesOf(results, name, wall), time),
      ratio(ratios(results, name, peer, wall)),
      time(stats(valuesOf(results, name, cpu)).median),
      ratio(ratios(results, name, peer, cpu)),
      mebibytes(Math.max(...valuesOf(results, name, memory))),
      String(list.size),
    ]),
  };
}

/** What a command took, to be handed on. */
export const wall = (used: Used): number => used.wall;
export const cpu = (used: Used): number => used.cpu;
export const memory = (used: Used): number => used.memory;

/** A bar for each of `results`. */
export function bars<T>(results: Rounds<T>, value: (result: T) => number): Bar[] {
  return [...results.keys()].map((label) => ({ label, ...stats(valuesOf(results, label, value)) }));
}

/** A point of a chart, if there are values. */
export const point = (values: readonly number[]): Stats | undefined =>
  values.length ? stats(values) : undefined;

/** A table of what was measured at each step: `format` of the medians. */
export function stepsTable(
  head: string[],
  steps: string[],
  lines: readonly { points: (Stats | undefined)[]; format: (n: number) => string }[],
): Pick<Table, "columns" | "rows"> {
  return {
    columns: head,
    rows: steps.map((step, i) => [
      step,
      ...lines.map(({ points, format }) => points[i] ? format(points[i].median) : ""),
    ]),
  };
}

/** The targets of all sections; `--quick` has files too small and rounds too few for them. */
export const targetsOf = ({ quick }: Bench, sections: Section[]): Target[] =>
  quick ? [] : sections.flatMap((section) => section.targets);

/** A table of targets and whether they are met. */
export function targetTable(targets: readonly Target[]): Table {
  return {
    title: "Targets",
    columns: ["", "target", "median", "quartiles", "rounds", ""],
    rows: targets.map((target) => {
      const { what, unit, limit: [side, limit], values } = target;
      const found = verdict(target);
      return [
        what,
        `${side} ${limit} ${unit}`.trimEnd(),
        ...values.length ? spread(values, part) : ["", ""],
        String(values.length),
        found === "missed" ? "**missed**" : found,
      ];
    }),
  };
}

/** A command as it is typed in a shell. */
export const line = (words: string[]): string =>
  words.map((word) => /[^\w@%+=:,./-]/.test(word) ? `'${word}'` : word).join(" ");

/** Commands as they are typed in a shell. */
export const lines = (commands: Record<string, string[]>): string[] =>
  Object.values(commands).map(line);

/** A table in Markdown, its columns aligned: it reads as well on a terminal. */
export function markdown({ columns, rows }: Table): string {
  const widths = columns.map((head, i) =>
    Math.max(3, head.length, ...rows.map((row) => row[i]!.length))
  );
  const line = (cells: string[]) =>
    `| ${
      cells.map((cell, i) => i ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)).join(" | ")
    } |`;
  const rule = widths.map((width, i) => i ? "-".repeat(width - 1) + ":" : "-".repeat(width));
  return [line(columns), line(rule), ...rows.map(line)].join("\n");
}

/** Writes docs/benchmarks.md and the charts. */
export async function save(bench: Bench, sections: Section[]) {
  const docs = `${ROOT}docs/`;
  const page = `${docs}benchmarks.md`;
  await Deno.writeTextFile(page, await makePage(bench, sections));
  const charts = sections.flatMap((section) => section.charts);
  for (const chart of charts) await Deno.writeTextFile(`${docs}${chart.file}`, draw(chart));
  await output(Deno.execPath(), [
    ...["fmt", "--quiet", page],
    ...charts.map(({ file }) => `${docs}${file}`),
  ]);
  console.log("\nWrote docs/benchmarks.md");
}

async function makePage(bench: Bench, sections: Section[]): Promise<string> {
  const targets = targetTable(targetsOf(bench, sections));
  const text = [
    "# Benchmarks",
    "Made by `deno task bench`: each script beside what a user would pick instead, run in turn " +
    "(A B C A B C …) after a round that does not count. Shown are medians and quartiles: half of " +
    "the rounds lie between those. A ratio is the median of the ratios of each round. CPU is " +
    "user and system time of all threads; memory is the most that was resident at once. Bytes " +
    "are compared after each run. Peers that decide no target run in each third round.",
    "All commands stand below as they ran: in the project's folder, in the environment " +
    `\`${ENVIRONMENT}\`, with $TMP for the folder of the files; where a time is shown, by ` +
    "bench/run.c, which measures them.",
    list("Machine", await machine(bench)),
    ...targets.rows.length ? [`## Targets\n\n${RULE}\n\n${markdown(targets)}`] : [],
    ...bench.failures.length ? [list("What failed", bench.failures.map(oneLine))] : [],
    ...sections.flatMap(makeSection),
  ].join("\n\n") + "\n";
  return names(bench).reduce((text, [path, name]) => text.replaceAll(path, name), text);
}

const list = (title: string, lines: string[]) =>
  [`## ${title}\n`, ...lines.map((line) => `- ${line}`)].join("\n");

const oneLine = (text: string) => text.replace(/\s+/g, " ");

function makeSection({ title, notes, tables, charts }: Section): string[] {
  return [
    `## ${title}`,
    ...notes,
    ...charts.map((chart) => `![${describe(chart)}](${chart.file})`),
    ...tables.flatMap((table) => [
      `### ${table.title}`,
      ...table.finding ? [table.finding] : [],
      markdown(table),
      ...table.commands ? [details("Commands", table.commands)] : [],
    ]),
  ];
}

function details(summary: string, lines: string[]): string {
  const code = "```sh\n" + lines.join("\n") + "\n```";
  return `<details><summary>${summary}</summary>\n\n${code}\n\n</details>`;
}

/** What is shown instead of this machine's paths. */
function names({ folder, programs }: Bench): [string, string][] {
  return [
    [folder, "$TMP"],
    [ROOT, ""],
    ...[...programs].map(([name, path]): [string, string] => [path, name]),
  ];
}

/** The machine and the versions of the programs, a line each. */
async function machine({ began, folder, load, programs, missing }: Bench): Promise<string[]> {
  const minutes = Math.round((performance.now() - began) / 60_000);
  const info = await Deno.readTextFile("/proc/cpuinfo");
  const lines = [
    `${info.match(/model name\s*: (.*)/)?.[1] ?? Deno.build.arch}, ` +
    `${navigator.hardwareConcurrency} cores, ` +
    `${gibibytes(Deno.systemMemoryInfo().total)} of memory`,
    `Linux ${Deno.osRelease()}, files in ${place(folder)}`,
    `the run took ${minutes} minutes; the load average before it was ${load.toFixed(2)}`,
  ];
  for (const [name, path] of programs) {
    const { stdout, stderr } = await new Deno.Command(path, {
      args: [
        name === "nginx" ? "-v" : name === "openssl" ? "version" : "--version",
      ],
    }).output();
    const said = new TextDecoder().decode(stdout.length ? stdout : stderr);
    lines.push(`${name}: ${said.match(/\d+\.[\w.]+/)?.[0]}`);
  }
  if (missing.size) {
    lines.push(`not here, so left out: ${[...missing].join(", ")}`);
  }
  return lines;
}
