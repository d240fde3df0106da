/**
 * How much of what is random or swept is tried: a quarter, or with `THOROUGH=1` all.
 *
 * @module
 */

/** Whether all is tried. */
export const THOROUGH = Deno.env.get("THOROUGH") === "1";

/** How often something is tried, if all would be so many times. */
export function rounds(all: number): number {
  return THOROUGH ? all : Math.ceil(all / 4);
}
