import { equal } from "node:assert/strict";
import { connect } from "node:net";
import { serveEcho } from "./07_echo.ts";

/** Runs `visit` with the port of an echo server. */
async function withEcho(visit: (port: number) => Promise<void>) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = serveEcho(listener);
  try {
    await Promise.race([visit(listener.addr.port), serving]); // to fail at once if it ends
  } finally {
    listener.close();
  }
  await serving;
}

async function echo(conn: Deno.Conn, text: string) {
  await conn.write(new TextEncoder().encode(text));
  const buffer = new Uint8Array(100), n = await conn.read(buffer);
  equal(new TextDecoder().decode(buffer.subarray(0, n ?? 0)), text);
}

const dial = (port: number) => Deno.connect({ hostname: "127.0.0.1", port });

Deno.test("serveEcho serves a second peer while the first is silent", async () => {
  await withEcho(async (port) => {
    using _silent = await dial(port);
    using conn = await dial(port);
    await echo(conn, "Ada");
  });
});

Deno.test("serveEcho answers what came before the end of a peer's bytes", async () => {
  await withEcho(async (port) => {
    using conn = await dial(port);
    const bytes = new Uint8Array(3_000_000).fill(1);
    const [received] = await Promise.all([
      new Response(conn.readable).bytes(), // until EOF
      (async () => {
        for (let n = 0; n < bytes.length;) n += await conn.write(bytes.subarray(n));
        await conn.closeWrite(); // half of the connection: the other half is open
      })(),
    ]);
    equal(received.length, bytes.length);
  });
});

Deno.test("serveEcho outlives a reset", async () => {
  await withEcho(async (port) => {
    await new Promise<void>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => socket.write("Ada"));
      socket.on("data", () => socket.resetAndDestroy()).on("close", () => resolve());
      socket.on("error", () => {}); // nobody listens yet: that is told already
    });
    using conn = await dial(port);
    await echo(conn, "小明");
  });
});
