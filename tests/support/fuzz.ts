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

/** Any character, of one byte as often as of more; fast-check's own "binary" needs seconds to begin. */
export const anyCharacter: fc.Arbitrary<string> = fc.oneof(fc.nat(0xff), fc.nat(0x10ffff))
  .filter((code) => code < 0xd800 || code > 0xdfff)
  .map((code) => String.fromCodePoint(code));
