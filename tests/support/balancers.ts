/**
 * Servers behind HAProxy, with the configuration of examples/deploy/, and behind nginx.
 *
 * @module
 */
import { assert } from "jsr:@std/assert@^1.0.0";
import { EXIT, readAll } from "../../mod.ts";
import { encode } from "./bytes.ts";
import { type Peer, startPeer } from "./peers.ts";
import { denoArgs, pause, ROOT, Running } from "./process.ts";
import { closedPort } from "./servers.ts";

/** A server on a port, which can be restarted there. */
export class Member implements AsyncDisposable {
  readonly port: number;
  running: Running;

  constructor(readonly args: string[], port = closedPort(), readonly flags = ["--allow-net"]) {
    this.port = port;
    this.running = this.#start();
  }

  #start(): Running {
    const args = [`--port=${this.port}`, "--delay=0", "--grace=0.4", ...this.args];
    return new Running(Deno.execPath(), denoArgs("server.ts", args, this.flags));
  }

  /** Waits until it listens. */
  async listens(): Promise<void> {
    await this.running.heard("stderr", /listening/);
  }

  /** Ends it as an orchestrator does, and starts it again; returns its exit code, 0 or 28. */
  async restart(): Promise<number> {
    const { code } = await this.running.stop("SIGTERM");
    assert(code === EXIT.ok || code === EXIT.timeout, `exit code ${code}: ${this.running.stderr}`);
    this.running = this.#start();
    await this.listens();
    return code;
  }

  async [Symbol.asyncDispose]() {
    await this.running[Symbol.asyncDispose]();
  }
}

/** HAProxy with the configuration in examples/deploy/, on other ports, with checks each `inter`. */
export async function startHaproxy(
  one: Member,
  two: Member,
  inter = "300ms",
): Promise<{ haproxy: Peer; socket: string }> {
  const example = await Deno.readTextFile(`${ROOT}examples/deploy/haproxy.cfg`);
  let socket = "";
  const haproxy = await startPeer(async (folder, port) => {
    socket = `${folder}/admin.sock`;
    const configuration = example.replaceAll("/run/haproxy/admin.sock", socket)
      .replaceAll("127.0.0.1:9999", `127.0.0.1:${port}`).replace("inter 1s", `inter ${inter}`)
      .replaceAll("127.0.0.1:9001", `127.0.0.1:${one.port}`)
      .replaceAll("127.0.0.1:9002", `127.0.0.1:${two.port}`);
    await Deno.writeTextFile(`${folder}/haproxy.cfg`, configuration);
    return { command: ["haproxy", "-db", "-f", `${folder}/haproxy.cfg`] };
  });
  return { haproxy, socket };
}

/** Asks HAProxy through its socket. */
export async function ask(socket: string, command: string): Promise<string> {
  using conn = await Deno.connect({ transport: "unix", path: socket });
  await conn.write(encode(`${command}\n`));
  return new TextDecoder().decode(await readAll(conn, 100_000));
}

/** Waits until HAProxy sees both servers up. */
export async function bothUp(socket: string) {
  const up = /^greetings,(one|two),.*,UP,/gm;
  for (let stat = ""; stat.match(up)?.length !== 2;) {
    stat = await ask(socket, "show stat").catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return ""; // the socket comes a moment after the port
    });
    await pause(25);
  }
}

/** The module with which nginx passes on plain TCP. */
export const STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so";

/** nginx; `configure()` tells it which server is down. */
export async function startNginx(
  one: Member,
  two: Member,
): Promise<{ nginx: Peer; configure: (down?: Member) => Promise<void> }> {
  let file = "", front = 0;
  const write = (down?: Member) => {
    const servers = [one, two].map((member) =>
      `server 127.0.0.1:${member.port} ${member === down ? "down" : "max_fails=0"};`
    );
    return Deno.writeTextFile(
      file,
      `load_module ${STREAM}; daemon off; pid ${file}.pid; error_log ${file}.log;
events {}
stream {
  upstream greetings { ${servers.join(" ")} }
  server { listen 127.0.0.1:${front}; proxy_pass greetings; }
}`,
    );
  };
  const nginx = await startPeer(async (folder, port) => {
    [file, front] = [`${folder}/nginx.conf`, port];
    await write();
    return { command: ["nginx", "-c", file, "-p", folder], forks: true };
  });
  const configure = async (down?: Member) => {
    await write(down);
    nginx.running.child.kill("SIGHUP");
  };
  return { nginx, configure };
}
