/**
 * What is random in the tests, and how to have it again: `FUZZ_SEED=N` runs the
 * properties and the mutations that seed N gave.
 *
 * @module
 */
import fc from "npm:fast-check@^4.3.0";

/** What decides all that is random. */
export const SEED = Number(
  Deno.env.get("FUZZ_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0],
);
fc.configureGlobal({ seed: SEED });

export { fc };
