/**
 * How far a download is and where its time went, as text for a terminal.
 *
 * @module
 */
import { shown } from "./request.ts";

/** How far a download is, in bytes. */
export interface Progress {
  /** The file's size so far. */
  bytes: number;
  /** What the file had before. */
  resumed: number;
  /** The file's size in the end, if known. */
  total?: number | undefined;
  /** Whether another run can go on with what is there, when it failed. */
  continuable?: boolean;
}

/** How many columns of a terminal a text takes: `unicodeWidth` of @std/cli. */
export type Width = (text: string) => number;

/** 62 → "1:02" */
function clock(seconds: number): string {
  if (seconds >= 24 * 3600) return ""; // nobody waits for that
  return new Date(seconds * 1000).toISOString().slice(11, 19).replace(/^00:0?/, "");
}

/** 1536 → "1.5 KiB" */
function amount(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  const value = bytes / 1024 ** power;
  return `${power === 0 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/** The beginning of a text that takes at most so many columns. */
function fit(text: string, columns: number, width: Width): string {
  const letters = [...text];
  while (letters.length > 0 && width(letters.join("")) > columns) letters.pop();
  return letters.join("");
}

/**
 * The progress as a text of at most `columns` columns, after `elapsed` seconds:
 *
 *     big.iso [==================                        ]  44%   4.0 MiB/s    0:02
 */
export function progressText(
  name: string,
  { bytes, resumed, total }: Progress,
  elapsed: number,
  columns: number,
  width: Width,
): string {
  const speed = (bytes - resumed) / Math.max(elapsed, 0.001);
  const share = total ? Math.min(bytes / total, 1) : undefined;
  const left = total && speed > 0 ? clock((total - bytes) / speed) : "";
  const facts = [
    share === undefined ? amount(bytes) : `${Math.floor(share * 100)}%`.padStart(4),
    `${amount(speed)}/s`.padStart(11),
    left.padStart(7),
  ].join(" ").trimEnd();
  const cells = columns - facts.length - 1;
  const most = Math.max(cells >> 1, 8);
  const label = width(name) > most ? `${fit(name, most - 1, width)}…` : name;
  const room = cells - width(label) - 3;
  if (share === undefined || room < 10) return fit(`${label} ${facts}`, columns, width);
  const bar = "=".repeat(Math.floor(share * room)).padEnd(room);
  return `${label} [${bar}] ${facts}`;
}

/** The progress of several downloads as one. */
export function sumOf(all: readonly Progress[]): Progress {
  const sum = (pick: (one: Progress) => number) => all.reduce((sum, one) => sum + pick(one), 0);
  const known = all.every(({ total }) => total !== undefined);
  return {
    bytes: sum(({ bytes }) => bytes),
    resumed: sum(({ resumed }) => resumed),
    total: known ? sum(({ total }) => total!) : undefined,
  };
}

/** 1234567 → "1,234,567"; toLocaleString would take 13 ms to load what it knows of languages. */
export function grouped(number: number): string {
  return `${number}`.replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Where the time of one exchange went, in milliseconds. */
export interface Timing {
  /** The URL asked. */
  url: string;
  /** The name lookup; `null` if not measured, then it counts to `tcp`. */
  lookup: number | null;
  /** The TCP connection. */
  tcp: number;
  /** The TLS handshake, and a proxy's part before it. */
  tls: number;
  /** From the request to the first byte of the final head. */
  wait: number;
  /** From there to the end of the body. */
  transfer: number;
}

const PHASES = ["lookup", "tcp", "tls", "wait", "transfer"] as const;
const PHASE_NAMES = ["name lookup", "TCP", "TLS", "first byte", "transfer"];

/** Where the time went, as bars: one block for each exchange. */
export function timingText(timing: readonly Timing[]): string {
  const longest = Math.max(...timing.flatMap((hop) => PHASES.map((phase) => hop[phase] ?? 0)));
  return timing.map((hop) =>
    [
      shown(hop.url),
      ...PHASES.map((phase, at) => {
        const ms = hop[phase];
        const bar = "#".repeat(Math.round((ms ?? 0) / Math.max(longest, 0.001) * 40));
        const number = ms === null ? "?" : ms.toFixed(1);
        return `  ${PHASE_NAMES[at]!.padEnd(11)} ${number.padStart(9)} ms ${bar}`.trimEnd();
      }),
    ].join("\n")
  ).join("\n");
}
