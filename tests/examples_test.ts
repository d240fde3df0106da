/** The examples, each run as its comment says. */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { Folder } from "./support/folder.ts";
import { Origin } from "./support/origin.ts";
import { ROOT, run } from "./support/process.ts";
import { response } from "./support/replies.ts";

/** Runs an example with the permissions that its comment gives it. */
async function example(name: string, args: string[], cwd = ROOT) {
  const source = await Deno.readTextFile(`${ROOT}examples/${name}`);
  const [, command] = source.match(/^ \* deno (.*? examples\/\S+)/m) ?? [];
  assert(command, `no command in ${name}`);
  const [verb, ...rest] = command.replace("examples/", `${ROOT}examples/`).split(" ");
  // `deno task check` looks at the types
  const config = [`--config=${ROOT}deno.json`, "--no-prompt", "--no-check"];
  return await run(Deno.execPath(), [verb!, ...config, ...rest, ...args], { cwd });
}

Deno.test("examples/mirror.ts saves several URLs, and says which failed", async () => {
  await using folder = new Folder();
  await using origin = new Origin(({ target }) =>
    response(target === "/gone" ? "404 Not Found" : "200 OK", target.repeat(1000))
  );
  const urls = ["/a", "/b", "/c", "/gone", "/d"].map((path) => origin.url(path));
  const { code, stdout, stderr } = await example("mirror.ts", urls, folder.path);
  assertEquals(
    stdout.trim().split("\n").sort(),
    ["a", "b", "c", "d"].map((x) => `${x}: 2000 bytes`),
  );
  assertMatch(stderr, /\/gone answered 404/);
  assertEquals(code, 1);
  for (const name of ["a", "b", "c", "d"]) {
    assertEquals(folder.text(name), `/${name}`.repeat(1000));
  }
});

Deno.test("examples/grep.ts prints the lines with a text", async () => {
  await using origin = new Origin(() => response("200 OK", "one\nGrüße: two\r\nthree Grüße"));
  const { code, stdout, stderr } = await example("grep.ts", ["Grüße", origin.url()]);
  assertEquals([code, stdout, stderr], [0, "Grüße: two\nthree Grüße\n", ""]);
});

Deno.test("examples/relay_test.ts passes", async () => {
  const { code, stdout } = await example("relay_test.ts", []);
  assertEquals(code, 0, stdout);
  assertMatch(stdout, /1 passed/);
});
