/**
 * How much of what is random or swept is tried: a quarter, or with `THOROUGH=1` all.
 *
 * @module
 */

/** Whether all is tried. */
export const THOROUGH = Deno.env.get("THOROUGH") === "1";

/** The first quarter of these, or all of them. */
export function some<T>(all: readonly T[]): readonly T[] {
  return all.slice(0, rounds(all.length));
}

/** How often something is tried, if all would be so many times. */
export function rounds(all: number): number {
  return THOROUGH ? all : Math.ceil(all / 4);
}
