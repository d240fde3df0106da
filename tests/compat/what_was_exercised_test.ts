/**
 * Compares docs/compatibility.md with the lists the tests are made from.
 *
 * @module
 */
import { assertEquals } from "jsr:@std/assert@^1.0.0";
import { compatibility, FILE } from "./table.ts";

Deno.test("docs/compatibility.md says what the suite exercises", async () => {
  assertEquals(
    await Deno.readTextFile(FILE),
    await compatibility(),
    "write it anew with: deno run -A tests/compat/table.ts",
  );
});
