/**
 * Each command of deno.json and README.md runs with the permissions it names; without one of them
 * it says which, and the command line it then prints works. And no server can lead fetch.ts to
 * where it may not go.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@^1.0.0";
import { quickServer } from "./support/caller.ts";
import { Folder } from "./support/folder.ts";
import { ROOT, run, Running, runScript } from "./support/process.ts";
import { closedPort, FakeServer, replying } from "./support/servers.ts";

const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`)) as {
  tasks: Record<string, { command: string }>;
};
const readme = await Deno.readTextFile(`${ROOT}README.md`);

/** The commands, and the `deno run` line behind each that names its permissions. */
const commands = new Map<string, string>();
for (const name of Object.keys(tasks)) add(`deno task ${name}`);
// an alias is the beginning of a command only
for (
  const [command] of readme.replace(/^alias .*$/gm, "").matchAll(/\bdeno (task|run) [^`#|&;\n]+/g)
) add(command.trim());

function add(command: string) {
  const [, name, rest] = command.match(/^deno task (\S+)(.*)$/) ?? [];
  const task = name ? tasks[name] : { command };
  assert(task, `deno.json has no task for: ${command}`);
  const named = /\bdeno run /.test(task.command) && !task.command.includes("--allow-all");
  if (named) commands.set(command, task.command + (rest ?? ""));
}

const PAGE = () => "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nHello\n";

/** A server, or a proxy, that answers all requests alike. */
function answerAll(answer: () => string): FakeServer {
  return new FakeServer(replying(answer));
}

/** Runs a `deno run` line, the server to where it listens; a port goes in for each it names. */
type Attempt = (line: string) => Promise<{ code: number; stderr: string }>;

/** A free port with the peer that the command needs there, and a way to run it. */
function prepare(command: string, stack: AsyncDisposableStack): Attempt {
  const { path: folder } = stack.use(new Folder("permissions"));
  const shell = (line: string, port: number, option = "") => {
    const words = line.includes(option) ? line : line + option;
    const exec = words.replaceAll(/\b(9999|8080)\b/g, String(port))
      .replace("deno run", `exec '${Deno.execPath()}' run --no-prompt`)
      .replace(/ ([^\s/]\S*\.ts)\b/, ` '${ROOT}$1'`);
    return ["-c", exec];
  };
  switch (command.match(/\S+\.ts\b/)?.[0]) {
    case "server.ts": {
      const port = closedPort();
      return async (line) => {
        await using server = new Running("sh", shell(line, port, ` --port=${port}`));
        const listens = server.heard("stderr", /listening on/);
        await listens.catch(() => {}); // it ended: its code and its words are looked at
        const { code } = await server.stop("SIGINT");
        return { code, stderr: server.stderr };
      };
    }
    case "client.ts": {
      const { port } = stack.use(quickServer());
      const options = { cwd: folder, stdin: "Michael\n" };
      return (line) => run("sh", shell(line, port, ` --port=${port}`), options);
    }
    case "fetch.ts": {
      // It answers for all URLs: as the host that the line names, or as a proxy to the others.
      const { port } = stack.use(answerAll(PAGE));
      const proxy = ` --proxy=http://127.0.0.1:${port}`;
      return (line) => run("sh", shell(line, port, proxy), { cwd: folder });
    }
    default: // an example, which has all it needs
      return (line) => run("sh", shell(line, 0));
  }
}

const NOT_GRANTED =
  /^(fetch|server|client): (net|read|write) access to .* is not granted \(run: (deno run .*)\)\n$/;

/** What was missing to which script in a test. */
const tried = new Set<string>();

for (const [command, line] of commands) {
  Deno.test(`permissions: ${command} runs with those it names`, async () => {
    await using stack = new AsyncDisposableStack();
    const attempt = prepare(line, stack);
    const { code, stderr } = await attempt(line);
    assertEquals(code, 0, stderr);
  });

  for (const [whole, flag] of line.matchAll(/ '?(--allow-[^\s']+)'?/g)) {
    // Where it may not read, fetch.ts writes straight to the file, as the README says.
    if (/^--allow-read/.test(flag!) && line.includes("fetch.ts")) continue;
    // where the same is missing to the same script, only arguments differ
    const missing = `${whole} ${line.match(/\S+\.ts/)}`;
    if (tried.has(missing)) continue;
    tried.add(missing);
    Deno.test(`permissions: ${command} fails without ${flag}`, async () => {
      await using stack = new AsyncDisposableStack();
      const attempt = prepare(line, stack);
      const { code, stderr } = await attempt(line.replace(whole, ""));
      if (line.includes("examples/")) return assert(code !== 0, "it does not need it");
      assertMatch(stderr, NOT_GRANTED);
      assertEquals(code, 77);
      const hint = stderr.match(NOT_GRANTED)![3]!;
      const [, words] = line.match(/ (\w+\.ts.*)$/)!;
      assertStringIncludes(hint.replaceAll("'", ""), words!);
      const printed = await attempt(hint);
      assertEquals(printed.code, 0, printed.stderr);
    });
  }
}

/** The shell's arguments for the command of a task, with more behind it. */
function taskArgs(name: string, args: string[]): string[] {
  const { command } = tasks[name]!;
  const line = command.replace("deno run", `exec '${Deno.execPath()}' run`);
  return ["-c", `${line} "$@"`, "sh", ...args];
}

Deno.test("permissions: deno task client is granted loopback, any port, and nothing else", async () => {
  const client = (...args: string[]) => run("sh", taskArgs("client", ["--connect", ...args]));
  await using server = new FakeServer(() => {});
  const named = `--hostname=localhost:${server.port}`;
  const task = await run(Deno.execPath(), ["task", "--quiet", "client", "--connect", named]);
  assertEquals([task.code, task.stderr], [0, ""]);
  const four = await client(`--hostname=127.0.0.1:${server.port}`);
  assertEquals([four.code, four.stderr], [0, ""]);
  const six = await client(`--hostname=[::1]:${closedPort()}`);
  assertEquals(six.code, 7, six.stderr); // it may
  const { code, stderr } = await client("--hostname=192.0.2.1", "--port=8000");
  assertEquals(
    stderr,
    `client: net access to "192.0.2.1:8000" is not granted (run: deno run ` +
      `--allow-net=192.0.2.1:8000 ${ROOT}client.ts --connect --hostname=192.0.2.1 --port=8000)\n`,
  );
  assertEquals(code, 77);
});

Deno.test("permissions: deno task server is granted loopback, any port, and nothing else", async () => {
  const args = ["task", "--quiet", "server", "--port=0", "--hostname=localhost"];
  await using server = new Running(Deno.execPath(), args);
  await server.heard("stderr", /listening on 127\.0\.0\.1:\d+ /);
  await server.stop("SIGINT");
  const elsewhere = taskArgs("server", ["--port=0", "--hostname=192.0.2.1"]);
  const { code, stderr } = await run("sh", elsewhere);
  assertEquals(
    stderr,
    `server: net access to "192.0.2.1:0" is not granted (run: deno run ` +
      `--allow-net=192.0.2.1:0 ${ROOT}server.ts --port=0 --hostname=192.0.2.1)\n`,
  );
  assertEquals(code, 77);
});

Deno.test("permissions: deno task fetch cannot write outside of its folder", async () => {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(new Folder("permissions"));
  const attempt = prepare(tasks.fetch!.command, stack);
  const { code, stderr } = await attempt(`${tasks.fetch!.command} --output=${folder}/page.html`);
  assertMatch(stderr, NOT_GRANTED);
  assertEquals(code, 77);
  assertEquals([...Deno.readDirSync(folder)], []);
});

Deno.test("permissions: fetch.ts takes a proxy from the environment where it may look", async () => {
  await using proxy = answerAll(PAGE);
  const env = { http_proxy: `http://127.0.0.1:${proxy.port}`, all_proxy: "", no_proxy: "" };
  const [allowEnv] = readme.match(/--allow-env=\w+(,\w+)*/)!;
  const get = (...permissions: string[]) =>
    runScript("fetch.ts", ["--output=-", `http://127.0.0.1:${closedPort()}/`], {
      permissions: ["--allow-net", ...permissions],
      env,
    });
  assertEquals((await get(allowEnv)).stdout, "Hello\n");
  assertEquals((await get()).code, 7);
});

Deno.test("permissions: fetch.ts --cacert needs to read that file", async () => {
  await using server = answerAll(PAGE);
  await using folder = new Folder("permissions");
  const file = folder.write("ca.pem", "not in PEM form");
  const get = (...permissions: string[]) =>
    runScript("fetch.ts", ["--output=-", "--cacert", file, `http://127.0.0.1:${server.port}/`], {
      permissions: ["--allow-net", ...permissions],
    });
  const read = await get(`--allow-read=${file}`);
  assertMatch(read.stderr, /^fetch: cannot read --cacert \S+: no certificate/);
  const { code, stderr } = await get();
  assertMatch(stderr, NOT_GRANTED);
  assertEquals([code, stderr.includes(`read access to "${file}"`)], [77, true]);
});

const NAME = `it's $(x) "*" ~`;

/**
 * Arguments of fetch.ts before each URL, the files that its hint grants, and what is there then:
 * files, and pages on stdout.
 */
const HINTED: {
  args: string[][];
  read?: string;
  write?: string;
  saved: string[];
  shown?: number;
}[] = [
  {
    args: [
      ["-o", "f"],
      ["-o", NAME],
      ["-H", `X: ${"y".repeat(3000)}`, "-o", "/dev/null"],
      ["-o", "-"],
      ["-o", "-"],
    ],
    read: `f,f.part,f.part.json,${NAME},${NAME}.part,${NAME}.part.json`,
    write: `f,f.part,f.part.json,${NAME},${NAME}.part,${NAME}.part.json,/dev/null`,
    saved: ["f", NAME],
    shown: 2,
  },
  { args: [["-C", "-o", "./f"]], read: "f,f.part,f.part.json", saved: ["f"] },
  {
    args: [["--output-dir", "d", "-o", "f"]],
    write: "d,d/f,d/f.part,d/f.part.json",
    saved: ["d/f"],
  },
  // the runtime cannot be told a name with a comma
  { args: [["-o", "a,b"], ["-o", "c,d/a,b"]], read: ".", write: ".", saved: ["a,b", "c,d/a,b"] },
  // two hints: what is not known before the network was granted
  { args: [["-J"]], write: "given,given.part,given.part.json", saved: ["given"] },
  { args: [["-o", "link"]], saved: ["target"] },
];

/** A line without the quotes that are for the shell. */
function unquoted(line: string): string {
  return line.replace(/'\\''|'/g, (quote) => quote.slice(2, 3));
}

for (const { args, read, write, saved, shown = 0 } of HINTED) {
  const line = args.flat().join(" ").replace(/y{10,}/, "…");
  Deno.test(`permissions: the hint of fetch.ts ${line} grants what is missing`, async () => {
    await using server = answerAll(() =>
      PAGE().replace("\r\n", "\r\nContent-Disposition: attachment; filename=given\r\n")
    );
    await using folder = new Folder("permissions");
    await Deno.mkdir(folder.file("c,d"));
    await Deno.symlink(folder.file("target"), folder.file("link"));
    const options = { cwd: folder.path, permissions: [] };
    const words = args.flatMap((before) => [...before, `http://127.0.0.1:${server.port}/f`]);
    let { code, stdout, stderr } = await runScript("fetch.ts", words, options), hint = "";
    for (let n = 0; code === 77 && n < 2; n++) {
      hint = stderr.slice(stderr.lastIndexOf("fetch: ")).match(NOT_GRANTED)?.[3] ?? "";
      assert(hint, stderr);
      ({ code, stdout, stderr } = await run("sh", ["-c", hint], options));
    }
    assertEquals(code, 0, `${hint}\n${stderr}`);
    assertEquals(stdout.match(/^Hello$/gm)?.length ?? 0, shown);
    for (const name of saved) assertEquals(folder.text(name), "Hello\n");
    assert(hint.includes(` --allow-net=127.0.0.1:${server.port} `), hint);
    if (read) assertStringIncludes(unquoted(hint), ` --allow-read=${read} `);
    if (write) assertStringIncludes(unquoted(hint), ` --allow-write=${write} `);
  });
}

Deno.test("permissions: no redirect leads fetch.ts to where it may not go", async (t) => {
  let visits = 0;
  await using forbidden = new FakeServer(() => void visits++);
  await using granted = new FakeServer(replying((head) => {
    const [, at] = head.match(/^GET \/(\d+) /)!;
    return `HTTP/1.1 302 Found\r\nLocation: ${locations[Number(at)]}\r\nContent-Length: 0\r\n\r\n`;
  }));
  const locations: string[] = [
    `http://127.0.0.1:${forbidden.port}/`,
    `https://127.0.0.1:${forbidden.port}/`,
    `//127.0.0.1:${forbidden.port}/`,
    `http://localhost:${forbidden.port}/`,
    `http://2130706433:${forbidden.port}/`, // 127.0.0.1 as one number
    `http://[::ffff:127.0.0.1]:${forbidden.port}/`,
    `http://localhost:${granted.port}/`,
    "http://169.254.169.254/latest/meta-data/",
  ];
  await using folder = new Folder("permissions");
  const urls = locations.map((_, at) => `http://127.0.0.1:${granted.port}/${at}`);
  const { code, stdout, stderr } = await runScript("fetch.ts", ["--max-time=10", ...urls], {
    cwd: folder.path,
    permissions: [`--allow-net=127.0.0.1:${granted.port}`, "--allow-read=.", "--allow-write=."],
  });
  assertEquals([code, stdout], [77, ""]);
  const lines = stderr.match(/.*\n/g)!;
  assertEquals(lines.length, locations.length, stderr);
  for (const [at, location] of locations.entries()) {
    await t.step(
      `nor one to ${location.replace(/:\d+\/$/, ":PORT/")}`,
      () => assertMatch(lines[at]!, NOT_GRANTED),
    );
  }
  assertEquals([...Deno.readDirSync(folder.path)], []);
  assertEquals(visits, 0);
});
