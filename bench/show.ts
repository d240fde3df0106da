/**
 * Numbers as people read them, and tables of them.
 *
 * @module
 */
import { type Bar, met, type Stats, stats, type Table, type Target, type Used } from "./measure.ts";

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
