#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// The same server, and a peer can end its own connection only. Arguments: [PORT]
const LONGEST = 1024, PATIENCE = 500; // characters of a line, milliseconds

async function greet(conn: Deno.TcpConn) {
  using _ = conn;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const wait = () => { // for the next bytes, and for the peer to take what it asked for
    clearTimeout(timer);
    timer = setTimeout(() => conn.close(), PATIENCE); // what reads or writes now, throws
  };
  const send = async (text: string) => {
    const bytes = new TextEncoder().encode(text);
    for (let n = 0; n < bytes.length;) n += await conn.write(bytes.subarray(n));
  };
  try {
    wait();
    await send("Welcome!\n");
    const buffer = new Uint8Array(1024), decoder = new TextDecoder();
    let rest = "";
    for (let n; (n = await conn.read(buffer)) !== null && rest.length <= LONGEST; wait()) {
      const lines = (rest + decoder.decode(buffer.subarray(0, n), { stream: true })).split("\n");
      rest = lines.pop()!;
      await send(lines.map((line) => `Hello, ${line}!\n`).join(""));
    }
  } finally {
    clearTimeout(timer);
  }
}

using listener = Deno.listen({ hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 9999) });
console.log(`listening on 127.0.0.1:${listener.addr.port}`);
for (;;) {
  try {
    greet(await listener.accept()).catch((error) => console.log(`a connection: ${error.name}`));
  } catch (error) { // no descriptor is left: wait until somebody leaves
    console.log(`accept: ${(error as Error).message}`);
    await new Promise((wake) => setTimeout(wake, PATIENCE));
  }
}
