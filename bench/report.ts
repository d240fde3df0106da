/**
 * The report: what was found, as tables, and the page with all of it.
 *
 * @module
 */
import { draw } from "./chart.ts";
import { type Bench, output, ROOT, type Used } from "./programs.ts";

/** What many measurements come to. */
export interface Stats {
  /** The middle one. */
  median: number;
  /** The least one. */
  min: number;
  /** The greatest one. */
  max: number;
}

/** What one part of the benchmark found. */
export interface Section {
  title: string;
  /** Paragraphs that say what is measured and how. */
  notes: string[];
  tables: Table[];
  chart: Chart;
  targets: Target[];
}

/** A table; the first column is text, the others are numbers. */
export interface Table {
  title: string;
  columns: string[];
  rows: string[][];
  /** The commands that were run, one a line. */
  commands?: string[];
}

/** Bars in groups, longer for more. */
export interface Chart {
  /** The file's name in docs/. */
  file: string;
  title: string;
  groups: { label: string; bars: Bar[] }[];
}

/** A bar of a chart. */
export interface Bar extends Stats {
  label: string;
  /** What is written beside it. */
  value: string;
}

/** A number that is to be reached. */
export interface Target {
  what: string;
  /** What the number is, such as `of curl`. */
  unit: string;
  /** The greatest or the least value that meets the target. */
  limit: ["at most" | "at least", number];
  /** What was measured, if it could be. */
  value: number | undefined;
}

/** The median, the least and the greatest of `values`. */
export function stats(values: readonly number[]): Stats {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  const middle = sorted.slice(Math.ceil(half) - 1, Math.floor(half) + 1);
  return {
    median: middle.reduce((sum, value) => sum + value, 0) / middle.length,
    min: sorted[0]!,
    max: sorted.at(-1)!,
  };
}

/** Whether the target's value is on the right side of its limit. */
export function met({ limit: [side, limit], value = NaN }: Target): boolean {
  return side === "at most" ? value <= limit : value >= limit;
}

/** Seconds, such as `0.512 s`. */
export const seconds = (s: number): string => `${s.toFixed(3)} s`;

/** Seconds as milliseconds, such as `61.3 ms`. */
export const milliseconds = (s: number): string => `${(s * 1e3).toFixed(1)} ms`;

/** Bytes as whole MiB, such as `58 MiB`. */
export const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;

/** Bytes as whole GiB, such as `24 GiB`. */
export const gibibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 30)} GiB`;

/** What kind of folder the benchmark's folder is. */
export const place = (folder: string): string =>
  folder.startsWith("/dev/shm") ? "memory (tmpfs)" : "a temporary folder";

/** A whole number, such as `90,123`. */
export const whole = (n: number): string => Math.round(n).toLocaleString("en");

/** The median, and from least to greatest. */
export function spread(
  { median, min, max }: Stats,
  format: (n: number) => string,
): string[] {
  return [format(median), `${format(min)} to ${format(max)}`];
}

/** How many times `b` is `a`. */
export const ratio = (a: number, b?: number): string => b ? (a / b).toFixed(2) : "";

/** A table of what commands took, with ratios to `peer`. */
export function usedTable(
  results: ReadonlyMap<string, Used[]>,
  peer: string,
): Pick<Table, "columns" | "rows"> {
  const of = (name: string, field: keyof Used) => {
    const values = results.get(name)?.map((used) => used[field]);
    return values && stats(values);
  };
  const short = (of("curl", "wall")?.median ?? 0) < 0.1;
  const time = short ? milliseconds : seconds;
  return {
    columns: ["", "wall", "min to max", "ratio", "CPU", "ratio", "memory"],
    rows: [...results.keys()].map((name) => {
      const [wall, cpu] = [of(name, "wall")!, of(name, "cpu")!];
      return [
        name,
        ...spread(wall, time),
        ratio(wall.median, of(peer, "wall")?.median),
        time(cpu.median),
        ratio(cpu.median, of(peer, "cpu")?.median),
        mebibytes(of(name, "memory")!.max),
      ];
    }),
  };
}

/** A bar for each of `results`. */
export function bars<T>(
  results: ReadonlyMap<string, T[]>,
  value: (result: T) => number,
  format: (n: number) => string,
): Bar[] {
  return [...results].map(([label, list]) => {
    const all = stats(list.map(value));
    return { label, ...all, value: format(all.median) };
  });
}

/** A table of targets and whether they are met. */
export function targetTable(targets: readonly Target[]): Table {
  return {
    title: "Targets",
    columns: ["", "target", "measured", ""],
    rows: targets.map((target) => {
      const { what, unit, limit: [side, limit], value } = target;
      return [
        what,
        `${side} ${limit} ${unit}`.trimEnd(),
        value === undefined ? "not measured" : value.toFixed(2),
        value === undefined ? "" : met(target) ? "met" : "**missed**",
      ];
    }),
  };
}

/** Commands as they are typed in a shell. */
export const lines = (commands: Record<string, string[]>): string[] =>
  Object.values(commands).map((words) =>
    words.map((word) => /[^\w@%+=:,./-]/.test(word) ? `'${word}'` : word).join(" ")
  );

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
  const charts = sections.map(({ chart }) => `${docs}${chart.file}`);
  for (const [i, { chart }] of sections.entries()) {
    await Deno.writeTextFile(charts[i]!, draw(chart));
  }
  await output(Deno.execPath(), ["fmt", "--quiet", page, ...charts]);
  console.log("\nWrote docs/benchmarks.md");
}

async function makePage(bench: Bench, sections: Section[]): Promise<string> {
  const targets = targetTable(
    sections.flatMap((section) => section.targets),
  );
  const pages = sections.map(({ title, notes, tables, chart }) => [
    `## ${title}`,
    ...notes,
    `![${chart.title}](${chart.file})`,
    ...tables.flatMap((table) => [
      `### ${table.title}`,
      markdown(table),
      ...table.commands
        ? [
          "<details><summary>Commands</summary>",
          "```sh\n" + table.commands.join("\n") + "\n```",
          "</details>",
        ]
        : [],
    ]),
  ]);
  const text = [
    "# Benchmarks",
    "Made by `deno task bench`: each script beside what a user would pick " +
    "instead, run in turn (A B C A B C …) after a round that does not count. " +
    "Shown are medians, the least and the greatest; ratios are of medians; " +
    "CPU is user and system time of all threads; memory is the most that was " +
    "resident at once. The bytes are compared after each run.",
    `## Machine\n\n${(await machine(bench)).map((line) => `- ${line}`).join("\n")}`,
    `## Targets\n\n${markdown(targets)}`,
    ...pages.flat(),
  ].join("\n\n") + "\n";
  return names(bench).reduce(
    (text, [path, name]) => text.replaceAll(path, name),
    text,
  );
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
async function machine(
  { folder, programs, missing }: Bench,
): Promise<string[]> {
  const info = await Deno.readTextFile("/proc/cpuinfo");
  const lines = [
    `${info.match(/model name\s*: (.*)/)?.[1] ?? Deno.build.arch}, ` +
    `${navigator.hardwareConcurrency} cores, ` +
    `${gibibytes(Deno.systemMemoryInfo().total)} of memory`,
    `Linux ${Deno.osRelease()}, files in ${place(folder)}`,
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
