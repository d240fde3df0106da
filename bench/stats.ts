/**
 * What many measurements come to, and whether a target is met in spite of their noise.
 *
 * @module
 */

/** What many measurements come to. */
export interface Stats {
  /** A quarter of them is less. */
  q1: number;
  /** The middle one. */
  median: number;
  /** A quarter of them is greater. */
  q3: number;
}

/** What was measured: for each peer a result for each round that it took part in. */
export type Rounds<Result> = ReadonlyMap<string, ReadonlyMap<number, Result>>;

/** A number that is to be reached. */
export interface Target {
  what: string;
  /** What the number is, such as `of curl`. */
  unit: string;
  /** The greatest or the least value that meets the target. */
  limit: ["at most" | "at least", number];
  /** What was measured, one value a round; none if it could not be. */
  values: readonly number[];
}

/** What the rounds say of a target. */
export type Verdict = "met" | "open: within noise" | "missed" | "not measured";

/** How verdicts are made, for readers. */
export const RULE = "A target is met if the median of its rounds meets it, and missed only if " +
  "even their better quartile misses it; between the two it is open: the noise of the machine " +
  "is larger than what is left. A ratio is made in each round, of two programs that ran one " +
  "after the other, so what the machine does to both does not count.";

/** The median and the quartiles of `values`, between two of them where need be. */
export function stats(values: readonly number[]): Stats {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number) => {
    const place = part * (sorted.length - 1), below = Math.floor(place);
    const [a, b] = [sorted[below]!, sorted[Math.ceil(place)]!];
    return a + (b - a) * (place - below);
  };
  return { q1: at(0.25), median: at(0.5), q3: at(0.75) };
}

/** A value of each round of `peer`; none if it was not measured. */
export function valuesOf<T>(
  results: Rounds<T>,
  peer: string,
  value: (result: T) => number,
): number[] {
  return [...results.get(peer)?.values() ?? []].map(value);
}

/** How many times the value of `b` that of `a` is, in each round that has both. */
export function ratios<T>(
  results: Rounds<T>,
  a: string,
  b: string,
  value: (result: T) => number,
): number[] {
  const theirs = results.get(b);
  return [...results.get(a) ?? []].flatMap(([round, ours]) => {
    const other = theirs?.get(round);
    return other === undefined ? [] : [value(ours) / value(other)];
  });
}

/** Whether a target is met, by {@linkcode RULE}. */
export function verdict({ limit: [side, limit], values }: Target): Verdict {
  if (!values.length) return "not measured";
  const holds = (value: number) => side === "at most" ? value <= limit : value >= limit;
  const { q1, median, q3 } = stats(values);
  if (holds(median)) return "met";
  return holds(side === "at most" ? q1 : q3) ? "open: within noise" : "missed";
}
