/** The examples, each run as its comment says. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ROOT, run } from "./testing.ts";

/** Runs an example with the permissions that its comment gives it. */
async function example(name: string, args: string[], cwd = ROOT) {
  const source = await Deno.readTextFile(`${ROOT}examples/${name}`);
  const [, command] = source.match(/^ \* deno (.*? examples\/\S+)/m) ?? [];
  assert(command, `no command in ${name}`);
  const words = command.split(" ").map((word) => word.replace(/^examples/, `${ROOT}examples`));
  const [verb, ...rest] = words;
  const config = [`--config=${ROOT}deno.json`, "--no-prompt"];
  return await run(Deno.execPath(), [verb!, ...config, ...rest, ...args], { cwd });
}

Deno.test("examples/mirror.ts saves several URLs, and says which failed", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      const { pathname } = new URL(request.url);
      return new Response(pathname.repeat(1000), { status: pathname === "/gone" ? 404 : 200 });
    },
  );
  const folder = await Deno.makeTempDir();
  const base = `http://127.0.0.1:${server.addr.port}`;
  const paths = ["/a", "/b", "/c", "/gone", "/d"];
  const { code, stdout, stderr } = await example(
    "mirror.ts",
    paths.map((path) => base + path),
    folder,
  );
  assertEquals(
    stdout.trim().split("\n").sort(),
    ["a", "b", "c", "d"].map((x) => `${x}: 2000 bytes`),
  );
  assertMatch(stderr, /\/gone answered 404/);
  assertEquals(code, 1);
  for (const name of ["a", "b", "c", "d"]) {
    assertEquals(await Deno.readTextFile(`${folder}/${name}`), `/${name}`.repeat(1000));
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("examples/grep.ts prints the lines with a text", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("one\nGrüße: two\r\nthree Grüße"),
  );
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const { code, stdout, stderr } = await example("grep.ts", ["Grüße", url]);
  assertEquals([code, stdout, stderr], [0, "Grüße: two\nthree Grüße\n", ""]);
});

Deno.test("examples/relay_test.ts passes", async () => {
  const { code, stdout } = await example("relay_test.ts", []);
  assertEquals(code, 0, stdout);
  assertMatch(stdout, /1 passed/);
});
