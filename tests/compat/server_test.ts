/**
 * server.ts with the programs that people type into.
 *
 * @module
 */
import { assertEquals } from "jsr:@std/assert@^1.0.0";
import { serve, type ServerEvent } from "../../server.ts";
import { ServerProcess } from "../support/caller.ts";
import { find, testPeer } from "../support/peers.ts";
import { Running } from "../support/process.ts";
import { HALF_CLOSED, PIPED, type TypistExercise, TYPISTS } from "./matrix.ts";

/** The command that connects standard input and output to a port. */
const COMMANDS: Record<
  typeof TYPISTS[number]["peer"],
  (port: string) => [string, ...string[]]
> = {
  // -N: end the sending side where the input ends, as the others do
  "nc (OpenBSD)": (port) => ["nc.openbsd", "-N", "127.0.0.1", port],
  "nc (traditional)": (port) => ["nc.traditional", "127.0.0.1", port],
  ncat: (port) => ["ncat", "127.0.0.1", port],
  // -t: seconds it waits for what is answered after its input ended
  socat: (port) => ["socat", "-t", "10", "-", `TCP:127.0.0.1:${port}`],
  telnet: (port) => ["telnet", "127.0.0.1", port],
  "curl telnet://": (port) => ["curl", "-sN", `telnet://127.0.0.1:${port}`],
  "bash /dev/tcp": (port) => [
    "bash",
    "-c",
    `exec 3<>/dev/tcp/127.0.0.1/${port} 4<&0
while IFS= read -r line; do printf '%s\\n' "$line" >&3; done <&4 &
exec cat <&3`,
  ],
  "Python socket": (port) => ["python3", "-c", PYTHON_SOCKET, port],
  "Python asyncio": (port) => ["python3", "-c", PYTHON_ASYNCIO, port],
  "Node net": (port) => ["node", "-e", NODE_NET, port],
  "Deno streams": (port) => [Deno.execPath(), "eval", DENO_STREAMS, port],
};

const PYTHON_SOCKET = `
import socket, sys, threading
server = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
def show():
    for received in iter(lambda: server.recv(1024), b''):
        sys.stdout.buffer.write(received)
        sys.stdout.flush()
thread = threading.Thread(target=show)
thread.start()
for line in sys.stdin.buffer:
    server.sendall(line)
server.shutdown(socket.SHUT_WR)
thread.join()
`;

const PYTHON_ASYNCIO = `
import asyncio, sys
async def main():
    reader, writer = await asyncio.open_connection('127.0.0.1', sys.argv[1])
    async def show():
        while received := await reader.read(1024):
            sys.stdout.buffer.write(received)
            sys.stdout.flush()
    showing = asyncio.create_task(show())
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        writer.write(line)
    writer.write_eof()
    await showing
asyncio.run(main())
`;

const NODE_NET = `
const [port] = process.argv.slice(-1);
const socket = require("node:net").connect({ port, allowHalfOpen: true });
process.stdin.pipe(socket).pipe(process.stdout);
`;

const DENO_STREAMS = `
const conn = await Deno.connect({ port: Number(Deno.args[0]) });
const shown = conn.readable.pipeTo(Deno.stdout.writable);
for await (const typed of Deno.stdin.readable) await conn.write(typed);
await conn.closeWrite();
await shown;
`;

/** The server that a typist talks to. */
interface Server extends AsyncDisposable {
  port: number;
  /** Waits until it has closed the connection. */
  closes(): Promise<unknown>;
}

/** Long enough that a half-close comes before the replies. */
const DELAY_MS = 100;

async function byCommand(): Promise<Server> {
  const server = new ServerProcess(["--delay", `${DELAY_MS}`]);
  return {
    port: await server.port(),
    closes: () => server.heard("stdout", /Connection from 127\.0\.0\.1:\d+ closed\./),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function byLibrary(): Server {
  const closed = Promise.withResolvers<void>();
  const onEvent = ({ event }: ServerEvent) => event === "close" && closed.resolve();
  const server = serve({ port: 0, delay: DELAY_MS, onEvent });
  return {
    port: server.addr.port,
    closes: () => closed.promise,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** A program that people type into. */
class Typist extends Running {
  #shown = "";

  constructor(peer: typeof TYPISTS[number]["peer"], { port }: Server) {
    const [program, ...args] = COMMANDS[peer](`${port}`);
    super(find(program) ?? program, args, { typing: true });
  }

  /** Waits until as much as these words is shown next: it must be them. */
  async hears(words: string) {
    this.#shown += words;
    const { index, input = "" } = await this.heard(
      "stdout",
      new RegExp(`Welcome![^]{${this.#shown.length - "Welcome!".length}}`),
    );
    assertEquals(input.slice(index), this.#shown);
  }

  /** Waits until it is welcomed, if it was not yet. */
  async isWelcomed() {
    if (this.#shown === "") await this.hears("Welcome!");
  }
}

const EXERCISES: Record<TypistExercise, (typist: Typist, server: Server) => Promise<void>> = {
  async "each line gets its reply"(typist) {
    await typist.isWelcomed();
    await typist.type("Michael\n");
    await typist.hears("Hello, Michael!\n");
    await typist.type("Tracy and Sarah\n");
    await typist.hears("Hello, Tracy and Sarah!\n");
  },
  async "中文"(typist) {
    await typist.isWelcomed();
    await typist.type("小明\n");
    await typist.hears("Hello, 小明!\n");
  },
  async "`exit` ends it"(typist, server) {
    await typist.isWelcomed();
    await typist.type("exit\n");
    await server.closes();
    await typist.endInput(); // some wait for that too
    await typist.child.status;
    await typist.hears(""); // and no more
  },
  async "lines from a pipe, `exit` last"(typist) {
    await typist.type("Michael\nTracy and Sarah\nexit\n");
    await typist.endInput();
    await typist.hears("Welcome!Hello, Michael!\nHello, Tracy and Sarah!\n");
    assertEquals((await typist.child.status).code, 0);
  },
  async "half-close: what was sent before is answered"(typist, server) {
    await typist.isWelcomed();
    await typist.type("Michael\nTracy");
    await typist.endInput();
    await typist.hears("Hello, Michael!\nHello, Tracy!");
    await server.closes();
    assertEquals((await typist.child.status).code, 0);
  },
};

/** Exercises as conversations: what is typed is one, and each that ends the input another. */
function conversations(exercised: readonly TypistExercise[]): TypistExercise[][] {
  const ending: TypistExercise[] = exercised.filter((name) =>
    name === PIPED || name === HALF_CLOSED
  );
  return [exercised.filter((name) => !ending.includes(name)), ...ending.map((name) => [name])];
}

for (const { peer, needs, exercised } of TYPISTS) {
  // server.ts is a command for the first, and the same without a process for the others
  const start = peer === TYPISTS[0].peer ? byCommand : byLibrary;
  testPeer(`server.ts answers ${peer}`, needs, async (t) => {
    await Promise.all(
      conversations(exercised).map(async (names) => {
        await using server = await start();
        await using typist = new Typist(peer, server);
        for (const name of names) {
          await t.step({
            name,
            fn: () => EXERCISES[name](typist, server),
            // they run side by side, and go on with a conversation
            sanitizeOps: false,
            sanitizeResources: false,
            sanitizeExit: false,
          });
        }
      }),
    );
  });
}
