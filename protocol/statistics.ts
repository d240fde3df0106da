/**
 * What the times of some replies come to: figures and a picture. Times are in milliseconds.
 *
 * @module
 */

/** What the times of some replies come to, in milliseconds; NaN (`null` in JSON) without any. */
export interface Statistics {
  /** The shortest. */
  min: number;
  /** The mean. */
  avg: number;
  /** The longest. */
  max: number;
  /** The standard deviation of these times. */
  stddev: number;
  /** The median: half of the replies took no longer. */
  p50: number;
  /** 99 of 100 replies took no longer. */
  p99: number;
}

/** Rounds milliseconds to microseconds: the digits after them are noise. */
export function toMicroseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/**
 * Summarizes times in milliseconds; percentiles are of the nearest rank.
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * const { avg, p50, p99 } = statistics([4, 1, 2, 9]);
 * assertEquals([avg, p50, p99], [4, 2, 9]);
 * ```
 */
export function statistics(times: readonly number[]): Statistics {
  const sorted = Float64Array.from(times).sort();
  const rank = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? NaN;
  const mean = (values: Float64Array) =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const avg = mean(sorted);
  return {
    min: sorted[0] ?? NaN,
    avg: toMicroseconds(avg),
    max: rank(1),
    stddev: toMicroseconds(Math.sqrt(mean(sorted.map((time) => (time - avg) ** 2)))),
    p50: rank(0.5),
    p99: rank(0.99),
  };
}

/** How many rows a histogram has at most, beside that of what is slower, and its longest bar. */
const ROWS = 10, LONGEST_BAR = 40;

/** The least of 1, 2, 5, 10, 20, 50 … that is no less than `least`. */
function roundStep(least: number): number {
  let power = 1;
  while (power * 5 < least) power *= 10;
  return [1, 2, 5].map((digit) => digit * power).find((step) => step >= least)!;
}

/** A line for each count: its label, itself and a bar, which is there for 1, too. */
function bars(labels: readonly string[], counts: readonly number[]): string[] {
  const most = Math.max(...counts), width = Math.max(...labels.map((label) => label.length));
  return counts.map((count, at) => {
    const bar = "#".repeat(Math.ceil(count / most * LONGEST_BAR));
    return `  ${labels[at]!.padEnd(width)} ${String(count).padStart(String(most).length)} ${bar}`
      .trimEnd();
  });
}

/**
 * Draws times as lines with bars, in steps of equal and round width. What is slower than 95 of
 * 100 is one last row, so that it takes nothing from the rest.
 *
 * @example
 * ```ts
 * import { assertEquals } from "jsr:@std/assert@^1.0.0";
 *
 * assertEquals(histogram([0.011, 0.012, 0.012]), [
 *   "  0.011 to 0.012 ms 1 ####################",
 *   "  0.012 to 0.013 ms 2 ########################################",
 * ]);
 * ```
 */
export function histogram(times: readonly number[]): string[] {
  if (times.length === 0) return [];
  // whole microseconds: a tenth of a millisecond three times is not 0.3 of one
  const micros = times.map((time) => Math.round(time * 1000)).sort((a, b) => a - b);
  const min = micros[0]!, high = micros[Math.ceil(0.95 * micros.length) - 1]!;
  const step = roundStep((high - min + 1) / (ROWS - 1));
  const first = Math.floor(min / step), slower = Math.floor(high / step) + 1 - first;
  const counts = new Array<number>(slower + 1).fill(0);
  for (const time of micros) counts[Math.min(Math.floor(time / step) - first, slower)]!++;
  if (counts[slower] === 0) counts.pop();
  const digits = Math.max(0, 3 - Math.floor(Math.log10(step)));
  const edge = (at: number) => ((first + at) * step / 1000).toFixed(digits);
  const labels = counts.map((_, at) =>
    at === slower ? `${edge(at)} ms or more` : `${edge(at)} to ${edge(at + 1)} ms`
  );
  return bars(labels, counts);
}
