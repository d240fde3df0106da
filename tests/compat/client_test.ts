/**
 * client.ts with servers that greet, written in other languages.
 *
 * @module
 */
import { assertEquals, assertRejects } from "jsr:@std/assert@^1.0.0";
import { connect, TrioError } from "../../client.ts";
import { type Chain, makeCertificates } from "../support/certificates.ts";
import { type Launch, type Peer, startPeer, testPeer } from "../support/peers.ts";
import { runScript } from "../support/process.ts";
import { type GreeterExercise, GREETERS, isFirst } from "./matrix.ts";
import { HERE } from "./site.ts";

/** How a server greets. */
interface Greeting {
  /** Whether a newline ends a message, or a read does. */
  lines?: boolean;
  /** The certificate, for TLS. */
  tls?: Chain;
}

const SERVERS: Record<
  typeof GREETERS[number]["peer"],
  (port: number, greeting: Greeting) => Launch
> = {
  "Python threads": () => ({
    command: ["python3", `${HERE}tutorial_server.py`, "0", "0"],
    says: ["stderr", /port (\d+)/],
  }),
  "Python socketserver": (_, { lines }) => ({
    command: ["python3", "-c", PYTHON_SOCKETSERVER, lines ? "\n" : ""],
    says: ["stdout", /port (\d+)/],
  }),
  "Python asyncio": (_, { lines }) => ({
    command: ["python3", "-c", PYTHON_ASYNCIO, lines ? "\n" : ""],
    says: ["stdout", /port (\d+)/],
  }),
  "ncat -c": (port, { lines, tls }) => ({
    // deno-fmt-ignore
    command: [
      "ncat", "-v", "-l", "-k", "127.0.0.1", String(port),
      ...tls ? ["--ssl", "--ssl-cert", tls.certificate, "--ssl-key", tls.key] : [],
      "-c", `'${HERE}greeting.sh' ${lines ? "--lines" : ""}`,
    ],
    says: ["stderr", /Listening on .*/],
    forks: true,
  }),
  "socat EXEC": (_, { lines, tls }) => ({
    // deno-fmt-ignore
    command: [
      "socat", "-d", "-d",
      (tls ? `OPENSSL-LISTEN:0,cert=${tls.certificate},key=${tls.key},verify=0` : "TCP-LISTEN:0") +
      ",bind=127.0.0.1,fork",
      `EXEC:./greeting.sh ${lines ? "--lines" : ""}`,
    ],
    cwd: HERE,
    says: ["stderr", /listening on .*:(\d+)/],
    forks: true,
  }),
  "Node net": (_, { lines }) => ({
    command: ["node", "-e", NODE_NET, lines ? "\n" : ""],
    says: ["stdout", /port (\d+)/],
  }),
};

const PYTHON_SOCKETSERVER = `
import socketserver, sys
end = sys.argv[1].encode()
class Greeter(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b'Welcome!')
        read = self.rfile.readline if end else lambda: self.rfile.read1(65536)
        for message in iter(read, b''):
            name = message.rstrip(b'\\n')
            if name == b'exit':
                return
            self.wfile.write(b'Hello, ' + name + b'!' + end)
server = socketserver.ThreadingTCPServer(('127.0.0.1', 0), Greeter)
print('port', server.server_address[1], flush=True)
server.serve_forever()
`;

const PYTHON_ASYNCIO = `
import asyncio, sys
end = sys.argv[1].encode()
async def greet(reader, writer):
    writer.write(b'Welcome!')
    while message := await (reader.readline() if end else reader.read(65536)):
        name = message.rstrip(b'\\n')
        if name == b'exit':
            break
        writer.write(b'Hello, ' + name + b'!' + end)
    writer.close()
async def main():
    server = await asyncio.start_server(greet, '127.0.0.1', 0)
    print('port', server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
`;

const NODE_NET = `
const [end] = process.argv.slice(-1);
const { createInterface } = require("node:readline");
const server = require("node:net").createServer((socket) => {
  socket.write("Welcome!");
  const source = end ? createInterface({ input: socket }) : socket;
  source.on(end ? "line" : "data", (name) => {
    if (String(name) === "exit") socket.end();
    else socket.write("Hello, " + name + "!" + end);
  });
}).listen(0, "127.0.0.1", () => console.log("port", server.address().port));
`;

/** Greets a server as it is asked to, and returns what client.ts shows then. */
type Way = (server: Peer, names: string[], asked?: Asked) => Promise<string>;

/** What is asked for beside names. */
interface Asked {
  lines?: true;
  /** The file with the CA to trust, for TLS. */
  cacert?: string;
}

const TRIO = ["Michael", "Tracy", "Sarah"];

/** With the command, which must have nothing to complain of; `-` is all three names on stdin. */
const byCommand: Way = async ({ port }, names, { lines, cacert } = {}) => {
  const options = [...lines ? ["--lines"] : [], ...cacert ? ["--cacert", cacert] : []];
  const client = await runScript("client.ts", [`--port=${port}`, ...options, ...names], {
    stdin: names[0] === "-" ? TRIO.map((name) => `${name}\n`).join("") : "",
    permissions: [`--allow-net=127.0.0.1:${port}`, "--allow-read"],
  });
  assertEquals(client.stderr, "");
  assertEquals(client.code, 0);
  return client.stdout;
};

/** With the library: the same without a process. */
const byLibrary: Way = async ({ port }, names, { lines = false, cacert } = {}) => {
  const tls = cacert === undefined ? {} : { tls: true, caCerts: [await Deno.readTextFile(cacert)] };
  await using client = await connect({ hostname: "127.0.0.1", port, lines, ...tls });
  const shown = [client.welcome];
  for (const name of names) shown.push(await client.greet(name));
  await client.exit();
  return shown.map((line) => `${line}\n`).join("");
};

const THREE = "Welcome!\nHello, Michael!\nHello, Tracy!\nHello, Sarah!\n";
const LONG = "n".repeat(1000);

/** What a test has: a server that greets, ways to start another, and to greet. */
interface Scene {
  server: Peer;
  start: (greeting: Greeting) => Promise<Peer>;
  greet: Way;
}

const EXERCISES: Record<GreeterExercise, (scene: Scene) => Promise<void>> = {
  async "Michael, Tracy and Sarah"({ server, greet }) {
    assertEquals(await greet(server, TRIO), THREE);
  },
  async "中文, and a name of 1,000 bytes"({ server, greet }) {
    const shown = await greet(server, ["小明", LONG]);
    assertEquals(shown, `Welcome!\nHello, 小明!\nHello, ${LONG}!\n`);
  },
  async "names from standard input"({ server }) {
    assertEquals(await byCommand(server, ["-"]), THREE);
  },
  async "`--lines`"({ start, greet }) {
    await using server = await start({ lines: true });
    assertEquals(await greet(server, TRIO, { lines: true }), THREE);
  },
  async "`--tls`, and a CA that nobody knows"({ start, greet }) {
    await using certificates = await makeCertificates();
    await using server = await start({ tls: certificates.good });
    assertEquals(await greet(server, TRIO, { cacert: certificates.ca }), THREE);
    const refused = connect({ hostname: "127.0.0.1", port: server.port, tls: true });
    const error = await assertRejects(() => refused, TrioError, "certificate");
    assertEquals(error.code, 60);
  },
};

for (const { peer, needs, exercised } of GREETERS) {
  testPeer(`client.ts greets ${peer}`, needs, async (t) => {
    const start = (greeting: Greeting) => startPeer((_, port) => SERVERS[peer](port, greeting));
    await using server = await start({});
    for (const exercise of exercised) {
      const greet = isFirst(GREETERS, peer, exercise) ? byCommand : byLibrary;
      await t.step({
        name: exercise,
        fn: () => EXERCISES[exercise]({ server, start, greet }),
        sanitizeOps: false, // the server says something each time
      });
    }
  });
}
