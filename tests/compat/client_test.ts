/**
 * client.ts with servers that greet, written in other languages.
 *
 * @module
 */
import { assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { type Chain, makeCertificates } from "../support/certificates.ts";
import { type Launch, type Peer, startPeer, testPeer } from "../support/peers.ts";
import { runScript } from "../support/process.ts";
import { type GreeterExercise, GREETERS } from "./matrix.ts";
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

/** Greets with client.ts, which must have nothing to complain of, and returns what it shows. */
async function greet({ port }: Peer, args: string[], stdin?: string): Promise<string> {
  const permissions = [`--allow-net=127.0.0.1:${port}`, "--allow-read"];
  const client = await runScript("client.ts", [`--port=${port}`, ...args], { stdin, permissions });
  assertEquals(client.stderr, "");
  assertEquals(client.code, 0);
  return client.stdout;
}

const THREE = "Welcome!\nHello, Michael!\nHello, Tracy!\nHello, Sarah!\n";
const LONG = "n".repeat(1000);

type Start = (greeting?: Greeting) => Promise<Peer>;

const EXERCISES: Record<GreeterExercise, (start: Start) => Promise<void>> = {
  async "Michael, Tracy and Sarah"(start) {
    await using server = await start();
    assertEquals(await greet(server, []), THREE);
  },
  async "中文, and a name of 1,000 bytes"(start) {
    await using server = await start();
    const shown = await greet(server, ["小明", LONG]);
    assertEquals(shown, `Welcome!\nHello, 小明!\nHello, ${LONG}!\n`);
  },
  async "names from standard input"(start) {
    await using server = await start();
    assertEquals(await greet(server, ["-"], "Michael\nTracy\nSarah\n"), THREE);
  },
  async "`--lines`"(start) {
    await using server = await start({ lines: true });
    assertEquals(await greet(server, ["--lines"]), THREE);
  },
  async "`--tls`, and a CA that nobody knows"(start) {
    await using certificates = await makeCertificates();
    await using server = await start({ tls: certificates.good });
    assertEquals(await greet(server, ["--cacert", certificates.ca]), THREE);
    const { code, stderr } = await runScript("client.ts", ["--tls", `--port=${server.port}`]);
    assertMatch(stderr, /^client: .*certificate.*\n$/);
    assertEquals(code, 60);
  },
};

for (const { peer, needs, exercised } of GREETERS) {
  testPeer(`client.ts greets ${peer}`, needs, async (t) => {
    const start: Start = (greeting = {}) => startPeer((_, port) => SERVERS[peer](port, greeting));
    for (const exercise of exercised) {
      await t.step(exercise, () => EXERCISES[exercise](start));
    }
  });
}
