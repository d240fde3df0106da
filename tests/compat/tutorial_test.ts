/**
 * The tutorial's three programs, in our own Python versions, beside ours: what
 * goes over the wire must be the same, byte for byte, on the oldest and the newest Python there is.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { connect } from "../../client.ts";
import { download } from "../../fetch.ts";
import { quickServer, ServerProcess } from "../support/caller.ts";
import { Folder } from "../support/folder.ts";
import { type Peer, startPeer, testPeer } from "../support/peers.ts";
import { each, type Finished, run, type Running, runScript } from "../support/process.ts";
import { THOROUGH } from "../support/thorough.ts";
import { TUTORIAL, type TutorialExercise } from "./matrix.ts";
import { type Recorded, recordingRelay } from "./relay.ts";
import { HERE } from "./site.ts";

/**
 * The oldest and the newest python3 in PATH and under pyenv, or with `THOROUGH=1` each: its version
 * and its path. Those in pyenv's own folder of PATH are scripts that start one of these.
 */
async function findPythons(): Promise<[version: string, path: string][]> {
  const pyenv = Deno.env.get("PYENV_ROOT") ?? `${Deno.env.get("HOME")}/.pyenv`;
  const folders = [
    ...(Deno.env.get("PATH") ?? "").split(":").filter((folder) => folder !== `${pyenv}/shims`),
    ...list(`${pyenv}/versions`).map((name) => `${pyenv}/versions/${name}/bin`),
  ];
  const all = new Set(
    folders.flatMap((folder) =>
      list(folder).filter((name) => /^python3(\.\d+)?$/.test(name))
        .map((name) => Deno.realPathSync(`${folder}/${name}`))
    ),
  );
  const minor = (path: string) => Number(path.match(/\d+$/)?.[0] ?? 0); // of …/python3.12
  const sorted = [...all].sort((a, b) => minor(a) - minor(b));
  const paths = THOROUGH ? sorted : sorted.filter((_, at) => at === 0 || at === sorted.length - 1);
  const pythons = await each(paths, async (path) => {
    const { code, stdout } = await run(path, ["-c", "import sys; print(sys.version.split()[0])"]);
    return code === 0 ? [[stdout.trim(), path] as [string, string]] : [];
  });
  return pythons.flat();
}

function list(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch {
    return []; // PATH names folders that are not there
  }
}

const SENT = "MichaelTracySarahexit";
const RECEIVED = "Welcome!Hello, Michael!Hello, Tracy!Hello, Sarah!";
const SHOWN = "Welcome!\nHello, Michael!\nHello, Tracy!\nHello, Sarah!\n";
const LOGGED =
  /^Waiting for connection\.\.\.\nAccept new connection from (127\.0\.0\.1:\d+)\.\.\.\nConnection from \1 closed\.\n$/;

/** A server, and a client that is given a port and gives what it shows. */
type Server = AsyncDisposable & { port: number; running?: Running };
type Client = (port: number) => Promise<string>;

/** Runs a client with a server, through a relay. */
async function greet(
  server: Server,
  client: Client,
): Promise<{ shown: string; recorded: Recorded[] }> {
  const { relay, recorded } = recordingRelay(server.port);
  await using _ = relay;
  const shown = await client(relay.port);
  await server.running?.heard("stdout", LOGGED);
  return { shown, recorded };
}

function pythonServer(python: string): Promise<Peer> {
  return startPeer(() => ({
    command: [python, `${HERE}tutorial_server.py`, "0", "0"],
    says: ["stderr", /port (\d+)/],
  }));
}

/** server.ts: the command, or the library, which does the same without a process. */
async function ourServer(isCommand: boolean): Promise<Server> {
  if (!isCommand) return quickServer();
  const running = new ServerProcess(["--delay=0"]);
  return {
    port: await running.port(),
    running,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

async function shownBy(client: Promise<Finished>): Promise<string> {
  const { code, stdout, stderr } = await client;
  assertEquals([code, stderr], [0, ""]);
  return stdout;
}

const pythonClient = (python: string): Client => (port) =>
  shownBy(run(python, [`${HERE}tutorial_client.py`, String(port)]));

/** client.ts, as a command and as a library. */
const ourCommand: Client = (port) => shownBy(runScript("client.ts", [`--port=${port}`]));

const ourLibrary: Client = async (port) => {
  await using client = await connect({ port });
  const shown = [client.welcome];
  for (const name of ["Michael", "Tracy", "Sarah"]) shown.push(await client.greet(name));
  await client.exit();
  return shown.map((line) => `${line}\n`).join("");
};

const EXPECTED = {
  shown: SHOWN,
  recorded: [{ sent: SENT, received: RECEIVED }],
};

/** Saves a URL as ours.html with fetch.ts, and gives the head that it shows. */
async function getByCommand(url: string, folder: string): Promise<string> {
  const { code, stdout, stderr } = await runScript("fetch.ts", ["--output=ours.html", url], {
    cwd: folder,
    permissions: ["--allow-net", "--allow-write"],
  });
  assertEquals(code, 0, stderr);
  return stdout;
}

async function getByLibrary(url: string, folder: string): Promise<string> {
  const { response } = await download(url, { output: `${folder}/ours.html` });
  return response.head.lines.map((line) => `${line}\n`).join("");
}

const EXERCISES: Record<
  TutorialExercise,
  (python: string, isFirst: boolean) => Promise<void>
> = {
  async "the client cannot tell server.ts from the tutorial's"(python, isFirst) {
    await using theirs = await pythonServer(python);
    await using ours = await ourServer(isFirst);
    assertEquals(await greet(theirs, pythonClient(python)), EXPECTED);
    assertEquals(await greet(ours, pythonClient(python)), EXPECTED);
  },

  async "the server cannot tell client.ts from the tutorial's"(python, isFirst) {
    await using server = await pythonServer(python);
    assertEquals(await greet(server, isFirst ? ourCommand : ourLibrary), EXPECTED);
  },

  async "the GET saves what fetch.ts saves"(python, isFirst) {
    await using stack = new AsyncDisposableStack();
    const { path: folder } = stack.use(new Folder("get"));
    const page = "<p>你好，世界！</p>\r\n\r\n<p>Hello, world!</p>\n".repeat(3000);
    await Deno.writeTextFile(`${folder}/index.html`, page);
    const server = stack.use(
      await startPeer(() => ({
        command: [python, "-m", "http.server", "--bind", "127.0.0.1", "0"],
        env: { PYTHONUNBUFFERED: "1" },
        cwd: folder,
        says: ["stdout", /port (\d+)/],
      })),
    );
    const { relay, recorded } = recordingRelay(server.port);
    stack.use(relay);

    const [host, port] = ["127.0.0.1", String(relay.port)];
    const get = [`${HERE}tutorial_get.py`, host, port, "theirs.html"];
    const theirs = await run(python, get, { cwd: folder });
    const ours = await (isFirst ? getByCommand : getByLibrary)(`http://${host}:${port}/`, folder);

    assertEquals([theirs.code, theirs.stderr], [0, ""]);
    assertEquals(await Deno.readTextFile(`${folder}/theirs.html`), page);
    assertEquals(await Deno.readTextFile(`${folder}/ours.html`), page);
    assertEquals(stable(ours), stable(theirs.stdout));
    const [their, our] = recorded;
    assertEquals(stable(our!.received), stable(their!.received));
    const asked = our!.sent.split("\r\n");
    for (const line of their!.sent.split("\r\n")) {
      assert(asked.includes(line), `fetch.ts does not send ${line}`);
    }
    assertEquals(asked[0], "GET / HTTP/1.1");
  },
};

/** An answer's lines, but for `Date`, which another second changes. */
function stable(answer: string): string[] {
  return answer.split(/\r?\n/).filter((line) => !line.startsWith("Date: "));
}

const pythons = await findPythons();

for (const exercise of TUTORIAL.exercised) {
  if (pythons.length === 0) {
    testPeer(`tutorial: ${exercise}`, TUTORIAL.needs, () => {
      throw new Error("no python3 says its version");
    });
  }
  for (const [at, [version, python]] of pythons.entries()) {
    testPeer(
      `tutorial on Python ${version}: ${exercise}`,
      TUTORIAL.needs,
      () => EXERCISES[exercise](python, at === 0),
    );
  }
}
