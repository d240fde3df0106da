/**
 * The scripts work in any folder, as libraries and as commands, on networks with and without JSR;
 * and the package that is published has all that they need, and no more.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { OLDEST_DENO } from "../mod.ts";
import { Folder } from "./support/folder.ts";
import { JsrRegistry } from "./support/jsr_registry.ts";
import { Origin } from "./support/origin.ts";
import { type Finished, ROOT, run } from "./support/process.ts";
import { response } from "./support/replies.ts";
import { closedPort, FakeServer, urlOf } from "./support/servers.ts";

/** A registry that is not there. */
const NOWHERE = urlOf({ port: closedPort() });

/** Where Deno keeps npm packages for this project. */
const NPM_CACHE: string = JSON.parse((await run(Deno.execPath(), ["info", "--json"])).stdout)
  .npmCache;

/** Another project: a folder with a deno.json, and a Deno that has cached nothing yet. */
class Project extends Folder {
  readonly #env: Record<string, string>;

  /** With a `deno.json`, and with JSR at that URL; no other host can be reached. */
  constructor(config: Record<string, unknown>, jsr: string = NOWHERE) {
    super("project");
    this.write("deno.json", JSON.stringify(config));
    this.#env = {
      DENO_DIR: this.file("deno"),
      JSR_URL: jsr,
      HTTP_PROXY: NOWHERE,
      HTTPS_PROXY: NOWHERE,
      NO_PROXY: "127.0.0.1",
    };
  }

  /** Has the packages of npm that this project has. */
  async withNpm(): Promise<this> {
    await Deno.mkdir(this.file("deno"));
    await Deno.symlink(NPM_CACHE, this.file("deno/npm"));
    return this;
  }

  /** Runs a program in the folder. */
  run(program: string, ...args: string[]): Promise<Finished> {
    return run(program, args, { cwd: this.path, env: this.#env });
  }

  /** Runs Deno in the folder. */
  deno(...args: string[]): Promise<Finished> {
    return this.run(Deno.execPath(), ...args);
  }
}

/** A page on loopback. */
const page = () => new Origin(() => response("200 OK", "hello\n"));

/** A program that uses all three, imported from there; its arguments are a URL and a file. */
function usingAll(from: string): string {
  return `
    import { connect } from "${from}/client.ts";
    import { download } from "${from}/fetch.ts";
    import { serve } from "${from}/server.ts";
    const [url, output] = Deno.args;
    await using server = serve({ port: 0, delay: 0 });
    await using client = await connect({ port: server.addr.port });
    const { bytes } = await download(url!, { output });
    console.log(client.welcome, await client.greet("Michael"), bytes);
    await client.exit();
  `;
}

const USED = "Welcome! Hello, Michael! 6\n";

/** Runs a program of another project that uses all three. */
async function use(project: Project, from: string, ...flags: string[]): Promise<Finished> {
  await using origin = page();
  const path = project.write("use.ts", usingAll(from));
  const args = ["run", "--no-prompt", "--allow-all", ...flags, path, origin.url(), "page"];
  const finished = await project.deno(...args);
  assertEquals(finished.code, 0, finished.stderr);
  return finished;
}

/** The project's folder, as seen from the temporary folders. */
const upwards = (project: Project) => `${project.path.replaceAll(/[^/]+/g, "..").slice(1)}${ROOT}`;

for (
  const [how, place] of [
    ["by path", (project: Project) => upwards(project).slice(0, -1)],
    ["by file URL", () => `file://${ROOT.slice(0, -1)}`],
  ] as const
) {
  Deno.test(`anywhere: another project uses all three ${how}, with no registry`, async () => {
    await using project = new Project({});
    const { stdout } = await use(project, place(project));
    assertEquals(stdout, USED);
    assertEquals(project.text("page"), "hello\n");
  });
}

Deno.test("anywhere: readAll alone, of what a library has, needs @std and says so", async () => {
  await using project = new Project({});
  const path = project.write(
    "read.ts",
    `import { readAll } from "${ROOT}mod.ts";
    await readAll({ read: () => Promise.resolve(null) }, 1).catch((error) => console.log(error.message));`,
  );
  const { stdout } = await project.deno("run", path);
  assertMatch(stdout, /^JSR package manifest for '@std\/streams' failed to load\b/);
});

/** Fails if a registry is asked for anything: one that never answers would hold the start up. */
async function assertUnasked(act: (registry: string) => Promise<unknown>) {
  let asked = 0;
  await using registry = new FakeServer(() => void asked++);
  await act(urlOf(registry));
  assertEquals(asked, 0);
}

Deno.test("anywhere: no start waits for a registry that never answers", async (t) => {
  await t.step("where dynamic imports are lazy", async () => {
    await assertUnasked(async (registry) => {
      await using project = new Project({ unstable: ["lazy-dynamic-imports"] }, registry);
      assertEquals((await use(project, ROOT)).stdout, USED);
    });
  });
  await t.step("with --cached-only", async () => {
    await assertUnasked(async (registry) => {
      await using project = new Project({}, registry);
      assertEquals((await use(project, ROOT, "--cached-only")).stdout, USED);
    });
  });
  await t.step("where the same packages are linked", async () => {
    await assertUnasked(async (registry) => {
      const links = ["cli", "streams"].map((name) => `${ROOT}std/${name}`);
      await using project = await new Project({ links }, registry).withNpm();
      assertEquals((await use(project, ROOT)).stdout, USED);
    });
  });
  await t.step("nor does a command line of this project, called from elsewhere", async () => {
    await assertUnasked(async (registry) => {
      await using project = await new Project({}, registry).withNpm();
      const { stdout } = await project.deno("run", `${ROOT}client.ts`, "--version");
      assertMatch(stdout, /^client\.ts \d/);
    });
  });
});

Deno.test("anywhere: deno check of another project, where JSR is reached", async () => {
  await using registry = await JsrRegistry.start();
  await using project = await new Project({}, registry.url).withNpm();
  // the module with the most imports of @std: to check all that the others have takes twice as long
  const path = project.write("use.ts", `export { readAll } from "${ROOT}mod.ts";`);
  const { code, stderr } = await project.deno("check", path);
  assertEquals(code, 0, stderr);
  // where a dynamic import cannot be had, deno check lets it pass
  for (const module of ["cli/1.0.0/parse_args.ts", "streams/1.0.0/to_bytes.ts"]) {
    assert(registry.asked.includes(`/@std/${module}`), module);
  }
});

for (const source of ["jsr:@tcp/trio/fetch", `${ROOT}fetch.ts`]) {
  const what = source.replace(ROOT, "a path to ");
  Deno.test(`anywhere: deno install -g makes a command of ${what}`, async (t) => {
    await using registry = await JsrRegistry.start();
    await using origin = page();
    await using project = await new Project({}, registry.url).withNpm();
    const install = (name: string, ...permissions: string[]) => {
      const root = ["--global", `--root=${project.path}`, `--name=${name}`];
      return project.deno("install", ...root, ...permissions, "--no-prompt", source);
    };
    const { code, stderr } = await install("get", "--allow-net", "--allow-read", "--allow-write");
    assertEquals(code, 0, stderr);
    const command = project.file("bin/get");

    await t.step("which runs without asking the registry again", async () => {
      registry.asked.length = 0;
      assertMatch((await project.run(command, "--version")).stdout, /^fetch\.ts \d/);
      assertEquals(registry.asked, []);
    });
    await t.step("which downloads", async () => {
      const { stderr, code } = await project.run(command, origin.url("/page"));
      assertEquals(code, 0, stderr);
      assertEquals(project.text("page"), "hello\n");
    });
    await t.step("which names itself in what grants a permission", async () => {
      await install("nothing");
      const denied = await project.run(project.file("bin/nothing"), origin.url("/other"));
      assertEquals(denied.code, 77, denied.stderr);
      const [, hint] = denied.stderr.match(/\(run: (deno run .*)\)\n$/) ?? [];
      assert(hint?.includes(` ${source} `), denied.stderr);
      const granted = await project.run("sh", "-c", hint!);
      assertEquals(granted.code, 0, granted.stderr);
      assertEquals(project.text("other"), "hello\n");
    });
  });
}

Deno.test("anywhere: a Deno that is too old says so, in one line", async () => {
  await using project = new Project({});
  const path = project.write(
    "main.ts",
    `import { runScript } from "${ROOT}mod.ts";
    const script = { name: "x", advice: {}, needs: () => [], args: () => [] };
    Object.defineProperty(Deno, "exit", { value: (code: number) => console.log(code) });
    for (const deno of Deno.args) {
      Object.defineProperty(Deno, "version", { value: { deno }, configurable: true });
      await runScript(script, () => Promise.resolve(5));
    }`,
  );
  const old = ["1.46.3", "2.0.10", "2.8.9", "2.9.4", "2.9.4+1a2b3c4"];
  const fine = [OLDEST_DENO, "2.9.10", "2.10.0-rc.1", "3.0.0", `${OLDEST_DENO}+1a2b3c4`];
  const { stdout, stderr } = await project.deno("run", "--cached-only", path, ...old, ...fine);
  assertEquals(stdout, "1\n".repeat(old.length) + "5\n".repeat(fine.length));
  const lines = old.map((version) =>
    `x: this is Deno ${version}, and ${OLDEST_DENO} or later is needed (deno upgrade)\n`
  );
  assertEquals(stderr, lines.join(""));
});

Deno.test("anywhere: the oldest Deno is the one that the README asks for", async () => {
  const readme = await Deno.readTextFile(`${ROOT}README.md`);
  assert(readme.includes(`\nDeno ${OLDEST_DENO} or later`));
});

Deno.test("anywhere: deno publish has what users need, and no more", async () => {
  // `deno task check` looks at the types; slow types are looked for anyway
  const args = ["publish", "--dry-run", "--allow-dirty", "--no-check"];
  const { code, stderr, stdout } = await run(Deno.execPath(), args);
  assertEquals(code, 0, stderr);
  const files = [...`${stdout}${stderr}`.matchAll(/^ +file:\/\/(\S+)/gm)]
    .map(([, path]) => path!.replace(ROOT, ""));
  const folders = ["protocol", "std/cli", "std/streams"];
  const modules = folders.flatMap((folder) =>
    [...Deno.readDirSync(ROOT + folder)].map(({ name }) => `${folder}/${name}`)
  ).filter((path) => path.endsWith(".ts"));
  assertEquals(
    files.sort(),
    [
      ...["CHANGELOG.md", "LICENSE", "README.md", "deno.json"],
      ...["client.ts", "fetch.ts", "mod.ts", "server.ts"],
      ...modules,
    ].sort(),
  );
});
