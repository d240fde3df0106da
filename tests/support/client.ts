/**
 * How tests run client.ts, and the server it was made for.
 *
 * @module
 */
import { writeAll } from "../../mod.ts";
import { encode } from "./bytes.ts";
import { denoArgs, type Finished, Running, runScript } from "./process.ts";
import { FakeServer } from "./servers.ts";

/** Runs client.ts with the server at this port to its end. */
export function runClient(
  port: number,
  args: string[],
  stdin?: string | Uint8Array,
): Promise<Finished> {
  return runScript("client.ts", ["--port", String(port), ...args], {
    stdin,
    permissions: [`--allow-net=127.0.0.1:${port}`],
  });
}

/** Starts client.ts with the server at this port. */
export function startClient(port: number, args: string[], typing = false): Running {
  const command = denoArgs("client.ts", ["--port", String(port), ...args]);
  return new Running(Deno.execPath(), command, { typing });
}

/** What the tutorial's server receives, one read at a time. */
export function tutorialServer(messages: string[], answers = Infinity): FakeServer {
  return new FakeServer(async (conn) => {
    const decoder = new TextDecoder(), buffer = new Uint8Array(1024);
    await writeAll(conn, encode("Welcome!"));
    for (let n; (n = await conn.read(buffer)) !== null;) {
      const message = decoder.decode(buffer.subarray(0, n));
      messages.push(message);
      if (message === "exit" || answers-- === 0) return;
      await writeAll(conn, encode(`Hello, ${message}!`));
    }
  });
}

/** Welcomes a peer, and answers its first word as if that were Ada. */
export async function greetAda(conn: Deno.Conn) {
  await writeAll(conn, encode("Welcome!"));
  await conn.read(new Uint8Array(9));
  await writeAll(conn, encode("Hello, Ada!"));
}
