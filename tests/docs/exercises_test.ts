/**
 * The exercises of the tutorial: their tests fail before the reader has done them, and pass with
 * the solutions.
 *
 * @module
 */
import { assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { Folder } from "../support/folder.ts";
import { run } from "../support/process.ts";
import { STEPS } from "./pages.ts";

/** Runs the tests of the exercises with the code in these folders, the last one's first. */
async function testExercises(...folders: string[]) {
  await using folder = new Folder("exercises");
  for (const from of folders) {
    for (const { name } of Deno.readDirSync(STEPS + from)) {
      await Deno.copyFile(`${STEPS}${from}/${name}`, folder.file(name));
    }
  }
  // in one module: a runtime for each would take most of the time
  const tests = folder.names.filter((name) => name.endsWith("_test.ts"));
  const all = folder.write("all.ts", tests.map((name) => `import "./${name}";\n`).join(""));
  const args = ["test", "--no-check", "--allow-net=127.0.0.1", "--no-prompt", all];
  return await run(Deno.execPath(), args, { cwd: folder.path });
}

Deno.test("the exercises' tests all fail before they are done", async () => {
  const { code, stdout, stderr } = await testExercises("exercises");
  assertEquals(code, 1);
  // each by itself: none is left out, and nothing else fails with it
  const files = [...Deno.readDirSync(STEPS + "exercises")].map(({ name }) => name);
  const texts = files.map((name) => Deno.readTextFileSync(`${STEPS}exercises/${name}`));
  const tests = texts.join("").match(/^Deno\.test\(/gm)!.length;
  assertMatch(stdout, new RegExp(`\nFAILED \\| 0 passed \\| ${tests} failed`));
  assertMatch(stderr, /^error: Test failed\n/);
});

Deno.test("the exercises' tests all pass with the solutions", async () => {
  const { code, stdout, stderr } = await testExercises("exercises", "solutions");
  assertEquals([code, stderr], [0, ""], stdout);
  assertMatch(stdout, /\nok \| \d+ passed \| 0 failed/);
});

Deno.test("each exercise has a test and a solution", () => {
  const names = (folder: string) => [...Deno.readDirSync(STEPS + folder)].map(({ name }) => name);
  const exercises = names("exercises").filter((name) => /^\d+_[a-z_]+(?<!_test)\.ts$/.test(name));
  const tests = names("exercises").filter((name) => name.endsWith("_test.ts"));
  assertEquals(tests.map((name) => name.replace("_test", "")).sort(), exercises.sort());
  assertEquals(names("solutions").sort(), exercises);
});
