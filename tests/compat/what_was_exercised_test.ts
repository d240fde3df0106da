/**
 * Compares docs/compatibility.md with the lists the tests are made from, and
 * prints it; its file comes last in this folder, so at the suite's end.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { find, PACKAGES } from "../support/peers.ts";
import { SECTIONS } from "./matrix.ts";
import { compatibility, FILE } from "./table.ts";

Deno.test("docs/compatibility.md says what the suite exercises", async () => {
  const text = await compatibility();
  const missing = new Set(
    SECTIONS.flatMap(({ rows }) => rows.flatMap(({ needs }) => needs))
      .filter((program) => !find(program))
      .map((program) => PACKAGES[program]),
  );
  console.log(text.slice(text.indexOf("## ")));
  if (missing.size) console.log(`Not installed: ${[...missing].join(" ")}`);
  assertEquals(
    await Deno.readTextFile(FILE),
    text,
    "write it anew with: deno run -A tests/compat/table.ts",
  );
});
